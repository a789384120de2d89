-- What interval_ends.sql needs, of panes that were added up: these don't know people, so that answers stand in their place, and
-- design effects are those that were measured lately (`effects`: effects_of_group.sql). Where panes don't tell the variance, the same
-- says by how much it is less than it can be; of amounts nothing is said before that is known. Of quantiles s is 0. An expression.
arrayMap(
    (n, s, q, kind, level, low, span, unknown, deff, spread) -> (
        toFloat64(n), n, (s / n - low) / span + level, q / n,
        if(unknown, if(kind = 2, (s / n - low) * (low + span - s / n) * if(spread = 0, 1, spread) / (span * span), s / n * s / n * spread),
            greatest(0., q - s / n * s) / (n - 1) / (span * span)),
        n / greatest(1., deff), z * z, toFloat64(n)),
    n_, s_, q_, {interval_kinds}, {interval_levels}, {interval_lows}, {interval_spans}, {interval_unknown},
    arrayMap(name -> toFloat64(effects[name]), {interval_names}),
    arrayMap(name -> toFloat64(effects[concat(name, '{spread}')]), {interval_names}))
