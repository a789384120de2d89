-- What the formulas of metrics_of_sums.sql need of the summed histograms and sketches, each once. `pane_sums`: the file.
-- n_, s_, q_: how many answers, their sum and their sum of squares, with a place for each of `interval_names`. `effects`: no_effects.sql
-- where intervals are made of raw events, effects_of_group.sql in rolling windows.
SELECT
    by_place, by_journey, by_stage, by_channel, by_touchpoint, by_segment,
    {sums_that_are_passed_on},
    {interval_sums_n} AS n_, {interval_sums_s} AS s_, {interval_sums_q} AS q_,
    {effects},
    {quantile_counts}
FROM ({pane_sums})
