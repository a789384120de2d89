-- Names of what reconcile_sums.sql says.
['touches', 'late', 'success', 'failure', 'abandoned', 'purchases', 'duration_n', 'duration_sum_ms', 'sentiment_n',
 'sentiment_sum_micro', 'nps_counts', 'csat_counts', 'ces_counts', 'duration_sketch', 'revenue_minor_by_currency',
 'purchase_revenue_minor_by_currency']
