-- Names of what reconcile_sums.sql says.
[{recomputed_names}]
