-- What reconcile_sums.sql says of a pane that has seen nothing.
[{recomputed_zeros}]
