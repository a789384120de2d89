-- Panes that were added up, and the intervals that they have. `counts_of_sums`, `interval_ends`, `sketched_value`: the files.
WITH
1.959963984540054 AS z,
{sketched_value}
SELECT *, {interval_ends} AS ends_
FROM ({counts_of_sums})
