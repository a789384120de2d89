-- What a pane says, as text for each measure, in the order of reconcile_measures.sql. An expression over columns of panes;
-- maps in the order of their keys, and without what added up to nothing.
[toString(touches), toString(late), toString(success), toString(failure), toString(abandoned), toString(purchases),
 toString(duration_n), toString(duration_sum_ms), toString(sentiment_n), toString(sentiment_sum_micro),
 toString(nps_counts), toString(csat_counts), toString(ces_counts),
 toString(mapSort(mapFilter((bucket, n) -> n != 0, duration_sketch))),
 toString(mapSort(mapFilter((currency, minor) -> minor != 0, revenue_minor_by_currency))),
 toString(mapSort(mapFilter((currency, minor) -> minor != 0, purchase_revenue_minor_by_currency)))]
