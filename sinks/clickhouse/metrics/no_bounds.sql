-- In the place of intervals in metrics_of_sums.sql, where raw events tell them. Part of a SELECT list.
NULL AS no_bounds
