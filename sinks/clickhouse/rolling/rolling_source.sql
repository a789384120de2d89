-- Metrics of rolling windows and their customers. Where a group has no row of `people`, nothing is known of it: `counted` is null.
-- Part of a FROM. `metrics_of_sums` of rolling_sums.sql, `rolling_customers`: the files.
({metrics_of_sums}) AS metrics
LEFT JOIN ({rolling_customers}) AS people ON metrics.place.1 = people.cut_ AND metrics.place.2 = people.group_key_
SETTINGS join_use_nulls = 1
