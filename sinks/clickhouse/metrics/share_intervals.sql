-- 95 % intervals of the share k/n, as functions: Wilson's score (Wilson 1927). Null where there is nothing to judge.
1.959963984540054 AS z,
(k, n) -> if(n = 0, NULL, greatest(0., (k + z * z / 2 - z * sqrt(k * (n - k) / n + z * z / 4)) / (n + z * z))) AS wilson_low,
(k, n) -> if(n = 0, NULL, least(1., (k + z * z / 2 + z * sqrt(k * (n - k) / n + z * z / 4)) / (n + z * z))) AS wilson_high
