-- Every metric of the groups of rolling_sums.sql in the windows of {cuts}. Where customers are counted, a group
-- of which nothing is known has 0; where they aren't, they are null. `metrics_of_sums` of rolling_sums.sql, `rolling_customers`:
-- the files.
SELECT metrics.*, if({with_customers:Array(Bool)}[cut], ifNull(people.customers, 0), NULL) AS customers
FROM
(
    SELECT
        place.1 AS cut, place.2 AS group_key, place.3 AS other_names,
        * EXCEPT (place, journey, stage, channel, touchpoint, segment)
    FROM ({metrics_of_sums})
) AS metrics
LEFT JOIN ({rolling_customers}) AS people ON cut = cut_ AND group_key = group_key_
SETTINGS join_use_nulls = 1
