-- Every metric of the groups of rolling_sums.sql in the windows of {cuts}. Where customers are counted, nobody is in a group
-- of which nothing is known; where they aren't, they are null. `metrics_of_sums` of rolling_sums.sql, `rolling_customers`,
-- `group_key`: the files.
SELECT metrics.*, if({with_customers:Array(Bool)}[cut], ifNull(people.customers, 0), NULL) AS customers
FROM
(
    SELECT *, journey AS by_journey, stage AS by_stage, channel AS by_channel, segment AS by_segment, {group_key} AS group_key
    FROM ({metrics_of_sums})
) AS metrics
LEFT JOIN ({rolling_customers}) AS people ON cut = cut_ AND group_key = group_key_
SETTINGS join_use_nulls = 1
