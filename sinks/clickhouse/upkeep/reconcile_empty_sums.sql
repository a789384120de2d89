-- What reconcile_sums.sql says of a pane that has seen nothing.
[toString(0), '0', '0', '0', '0', '0', '0', '0', '0', '0',
 toString(arrayResize([]::Array(Int64), 11)), toString(arrayResize([]::Array(Int64), 5)),
 toString(arrayResize([]::Array(Int64), 7)), '{}', '{}', '{}']
