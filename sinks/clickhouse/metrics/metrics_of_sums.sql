-- Every metric of summed pane measures; the definitions and their sources are in schemas/metrics.yaml.
-- `pane_sums`: any query with the columns of pane_sums.sql. `counts_of_sums`: what the formulas share, each computed once, for
-- ClickHouse would copy a shared expression into every place that names it, and spend its time on planning.
-- `bounds` of `sums_with_bounds`: no_bounds.sql of counts_of_sums.sql where intervals are made of raw events, those of
-- rolling_bounds.sql of rolling_ends.sql in rolling windows. `sketched_value`: the file.
WITH
{sketched_value}
SELECT
    by_place      AS place,
    by_journey    AS journey,
    by_stage      AS stage,
    by_channel    AS channel,
    by_touchpoint AS touchpoint,
    by_segment    AS segment,

    -- The metrics whose form the catalogue says: counts, shares, means, quantiles.
    {declared_metrics},

    -- Never summed over currencies.
    multiIf(empty(sum_revenue_minor_by_currency), 0,
        length(sum_revenue_minor_by_currency) = 1, mapValues(sum_revenue_minor_by_currency)[1], NULL) AS revenue_minor,
    if(sum_purchases = 0 OR length(sum_purchase_revenue_minor_by_currency) != 1, NULL,
        mapValues(sum_purchase_revenue_minor_by_currency)[1] / sum_purchases) AS average_order_minor,
    multiIf(length(sum_purchase_revenue_minor_by_currency) > 1, 'several_currencies',
        sum_purchases > 0 AND empty(sum_purchase_revenue_minor_by_currency), 'no_amounts', '') AS average_order_minor_reason,
    sum_purchases                                                                          AS average_order_minor_n,
    {bounds}
FROM ({sums_with_bounds})
