-- The ends of 95 % intervals, from design effects: an array of the low ones with a place for each of `interval_names` and
-- the high ones behind, in the unit of fields. Null where there is no end. An expression.
-- `designs`: an expression for an array of tuples: how many answers there are (1), by how many people (2), of them from 0 to 1 the mean
-- (3), mean square (4) and variance (5), how many are independent (6), the square of the quantile of t (7), and on how many people
-- their variance rests (8): (Σk²)² ÷ Σk⁴ of k answers each, which is less than all where some give more than others. Where these are few, an
-- amount has no interval, and a quantile none that ends beyond the answers. `quantile_buckets`: a list with the
-- bucket at each rank in `ends_`.
-- All have one form. Of w answers with the mean p and the variance v, an end is (p·w + a)/(w + b) ± t·√(w·v + c)/(w + b):
--   shares and quantiles' ranks: v = p(1 − p); shares with a = t²/2, b = t², c = t²/4 (Wilson 1927), ranks with
--   a = (1 − 2p)(t² − 1)/6, which is the binomial's skewness (Cornish and Fisher 1938), b = c = 0;
--   means on a scale: as shares, w so large that a share's variance p(1 − p)/w is the mean's; a quarter of an answer is added at each end;
--   NPS: b = 3, c = 3/2, v the variance with three more answers (adjusted Wald, Rocks 2016);
--   amounts: a = b = c = 0, on the scale of logarithms.
-- One step is the array of the next one, and not a column: ClickHouse would plan that in each SELECT around it.
arrayFlatten(arrayMap(
    ends_ -> arrayConcat(arraySlice(ends_, 1, {interval_plain}), arrayMap(
        (bucket_, rank) -> if(isNull(rank), NULL, sketched(bucket_)), {quantile_buckets}, arraySlice(ends_, {interval_plain} + 1))),
    arrayMap(
        side -> arrayMap(
            (end_, kind, below, above, low, span, out) -> multiIf(
                end_.4 < {people_min} OR end_.1 = end_.2 OR pow(if(side < 0, above, below), least(end_.5, end_.6)) > 0.025
                    OR kind = 3 AND (end_.6 < 50 OR abs(end_.1 - end_.2) > 0.15 * abs(end_.2)), NULL,
                kind = 4, least(end_.3, greatest(1., side * ceil(side * (end_.3 * end_.1 + 0.5)))),
                kind = 3, out * if(end_.2 > 0, end_.2 * exp(end_.1 / end_.2 - 1), end_.1),
                out * (low + span * least(1., greatest(if(kind = 1, -1., 0.), end_.1)))),
            arrayMap(
                -- The end (1), the middle (2), answers (3), people (4), independent answers (5), people in (8).
                (one, kind, a, a_t, b, b_t, c, c_t) -> (
                    (one.3 * one.8 + a + a_t * one.7 + side * sqrt(one.7 * greatest(0., c + c_t * one.7 + one.8 * multiIf(
                        kind = 3, one.5, kind = 1, one.4 - one.3 * one.3 * one.8 / (one.8 + 3), one.3 * (1 - one.3)))))
                        / (one.8 + b + b_t * one.7),
                    (one.3 * one.8 + a + a_t * one.7) / (one.8 + b + b_t * one.7),
                    one.1, one.2, one.6, one.9),
                arrayMap(
                    -- And with w (8) before the last.
                    (one, kind) -> (
                        one.1, one.2, one.3, one.4, one.5, one.6, one.7,
                        if(kind != 2, one.6, greatest(one.6, one.3 * (1 - one.3) * one.6 * (one.6 + 0.5)
                            / (one.5 * one.6 + 0.25 - 0.5 * one.3 * (1 - one.3)))), one.8),
                    {designs}, {interval_kinds}),
                {interval_kinds}, {interval_a}, {interval_a_t}, {interval_b}, {interval_b_t}, {interval_c}, {interval_c_t}),
            {interval_kinds}, {interval_levels}, {interval_others}, {interval_lows}, {interval_spans}, {interval_outs}),
        [-1., 1.])))
