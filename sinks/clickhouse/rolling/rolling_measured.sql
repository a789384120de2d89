-- Every metric of the groups of rolling_sums.sql in the windows of {cuts}. `customers_counted`, `rolling_source`: the files.
SELECT metrics.* EXCEPT (journey, stage, channel, touchpoint, segment), place.2 AS group_key, {customers_counted} AS customers
FROM {rolling_source}
