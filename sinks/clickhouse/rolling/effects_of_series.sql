-- Of each group of people_by_series.sql, and each place of `interval_names`: people, design effect, mean and variance of answers.
SELECT group_key, people_in_windows, measured_from_ms, people_, deffs_, means_, variances_
FROM ({interval_effects})
