-- What is known of the people of [raw_from, raw_to) by groups: unique customers, exactly, response rates, and the intervals of all
-- metrics, which count people. raw_touches is compared with the panes' touches: fewer means that raw events are past their
-- retention, and people unknown. people_ and the low and high ones of ends_ have a place for each metric of `Catalogue.statistics`.
-- `interval_ends`, `interval_effects`, `share_intervals`, `sketched_value`: the files.
WITH
{share_intervals},
{sketched_value}
SELECT
    by_journey AS journey, by_stage AS stage, by_channel AS channel, by_touchpoint AS touchpoint, by_segment AS segment,
    raw_touches,
    customers,
    {response_rates},
    people_, {interval_ends} AS ends_
FROM ({interval_effects})
