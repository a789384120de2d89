-- BG/NBD and gamma-gamma for each row of `clv_customers`, by the parameters of its currency.
-- `p_alive`: Fader, Hardie and Lee (2008). `expected_purchases` in the `weeks` to come: equation (10) of their paper of
-- 2005, whose Gaussian hypergeometric function is computed as the integral that it stands for, as in
-- `streams/insight/clv/bg_nbd.py`: the mean over p of g(p) = (1 - (1 + p span)^-shape) / p under beta(a, b + repeats). The
-- straight line between g(0) and g(1) is known; the rest is summed at equal steps of u = log(p / (1 - p)).
-- expm1(x) = 2 exp(x/2) sinh(x/2), which doesn't lose the digits of small x.
SELECT
    * EXCEPT (shape, beta, below, above, spread, span, low, step, us, ps, rests, weights, powers, at_0, at_1),
    p_alive * ((at_0 * beta + at_1 * a) / (a + beta)
        + a * beta / ((a + beta) * (a + beta + 1)) / arraySum(weights) * arraySum(
            (p_, rest_, weight_, power_) -> weight_ / (p_ * rest_)
                * (-2 * exp(power_ / 2) * sinh(power_ / 2) / p_ - at_0 * rest_ - at_1 * p_),
            ps, rests, weights, powers)) AS expected_purchases,
    p * (v_minor + repeats * mean_minor) / (p * repeats + q - 1) AS expected_order_minor,
    expected_purchases * expected_order_minor AS predicted_clv_minor
FROM
(
    SELECT
        *,
        if(repeats = 0, 1., 1 / (1 + exp(least(700., log(a / (b + repeats - 1))
            + (r + repeats) * log((alpha + age_weeks) / (alpha + recency_weeks)))))) AS p_alive,
        r + repeats AS shape, b + repeats AS beta,
        {weeks:Float64} / (alpha + age_weeks) AS span,
        shape * span AS at_0,
        1 - exp(-shape * log1p(span)) AS at_1,
        a + 1 AS below, beta + 1 AS above, sqrt(1 / below + 1 / above) AS spread,
        log(below / above) - 30 / below - sqrt(60) * spread AS low,
        least(0.35, 0.5 * spread) AS step,
        arrayMap(n -> low + step * n,
            range(2 + toUInt32((30 / below + 30 / above + 2 * sqrt(60) * spread) / step))) AS us,
        arrayMap(u -> 1 / (1 + exp(-u)), us) AS ps,
        arrayMap(u -> 1 / (1 + exp(u)), us) AS rests,
        arrayMap((p_, rest_) -> exp(below * log(p_ * (below + above) / below) + above * log(rest_ * (below + above) / above)),
            ps, rests) AS weights,
        arrayMap(p_ -> greatest(-700, -shape * log1p(p_ * span)), ps) AS powers
    FROM ({clv_customers}) AS customer
    CROSS JOIN (SELECT r, alpha, a, b, p, q, v_minor FROM ({clv_parameters})) AS model
)
