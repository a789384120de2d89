-- 95 % intervals, as functions: the text that follows WITH. Null where there is nothing to judge.
-- Wilson score interval of the share k/n (Wilson 1927); the mean of answers 1, 2, … given their counts, by the normal
-- approximation with the sample's deviation (nothing to say below two answers, and no width when all answers agree).
1.959963984540054 AS z,
(k, n) -> if(n = 0, NULL, greatest(0., (k + z * z / 2 - z * sqrt(k * (n - k) / n + z * z / 4)) / (n + z * z))) AS wilson_low,
(k, n) -> if(n = 0, NULL, least(1., (k + z * z / 2 + z * sqrt(k * (n - k) / n + z * z / 4)) / (n + z * z))) AS wilson_high,
counts -> arraySum(arrayMap((count, answer) -> count * answer, counts, arrayEnumerate(counts))) AS total,
counts -> arraySum(arrayMap((count, answer) -> count * answer * answer, counts, arrayEnumerate(counts))) AS squares,
counts -> arraySum(counts) AS answers,
counts -> if(answers(counts) = 0, NULL, total(counts) / answers(counts)) AS mean,
counts -> z * sqrt((squares(counts) - total(counts) * (total(counts) / answers(counts))) / (answers(counts) - 1) / answers(counts)) AS margin,
-- Both within the scale; least and greatest would pass over a null.
counts -> if(answers(counts) < 2, NULL, greatest(1., total(counts) / answers(counts) - margin(counts))) AS mean_low,
counts -> if(answers(counts) < 2, NULL, least(toFloat64(length(counts)), total(counts) / answers(counts) + margin(counts))) AS mean_high
