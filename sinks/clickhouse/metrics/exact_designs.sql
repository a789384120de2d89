-- What interval_ends.sql needs, of interval_effects.sql. An expression.
arrayMap(
    (n, people, mean, q, variance, deff, t, kk, kkkk, kind, level, low, span) -> (
        n, people, if(kind = 4, level, (mean - low) / span), q / n, variance / (span * span), greatest(1., n) / deff, t * t, kk * kk / kkkk),
    n_, people_, means_, q_, variances_, deffs_, ts_, kk_, kkkk_, {interval_kinds}, {interval_levels}, {interval_lows}, {interval_spans})
