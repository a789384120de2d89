-- The share of visits that have not gone on yet (Kaplan and Meier 1958), and its variance relative to it
-- (Greenwood 1926), as functions of `ends`, sorted: of each visit twice the time at which it went on, or twice the time up
-- to which it is known not to have, and one. `n`: all visits; those that are not in `ends` are known never to go on.
-- Ends at the same time are taken one after the other, which gives the same product and the same sum.
(ends_, n_) -> if(empty(ends_), 1., arrayProduct(arrayMap(
    (end_, before_) -> if(end_ % 2 = 0, (n_ - before_) / (n_ - before_ + 1), 1.), ends_, arrayEnumerate(ends_)))) AS kept_share,
(ends_, n_) -> arraySum(arrayMap(
    (end_, before_) -> if(end_ % 2 = 0, 1 / ((n_ - before_) * (n_ - before_ + 1)), 0.), ends_, arrayEnumerate(ends_))) AS greenwood
