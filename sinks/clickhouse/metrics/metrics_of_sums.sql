-- Every metric of summed pane measures; the definitions and their sources are in schemas/metrics.yaml.
-- `pane_sums`: any query with the columns of pane_sums.sql. `counts_of_sums`: what the formulas share, each computed once, for
-- ClickHouse would copy a shared expression into every place that names it, and spend its time on planning.
-- `share_intervals`: share_intervals.sql.
WITH
{share_intervals},
-- Adjusted Wald (Rocks 2016): three answers more, three quarters of one each to promoters and detractors.
z * sqrt((adjusted_promoters + adjusted_detractors - adjusted_nps * adjusted_nps) / (nps_answers + 3)) AS nps_margin,
-- Means of answers 1, 2, …: normal approximation with the sample's deviation (nothing to say below two answers, and no
-- width when all answers agree).
z * sqrt((csat_squares - csat_total * (csat_total / csat_answers)) / (csat_answers - 1) / csat_answers) AS csat_margin,
z * sqrt((ces_squares - ces_total * (ces_total / ces_answers)) / (ces_answers - 1) / ces_answers)       AS ces_margin,
-- The value that stands for a bucket of a DDSketch (Masson, Rim, Lee 2019).
bucket -> if(bucket < 0, 0, 2 * pow(1.01 / 0.99, bucket) / (1.01 / 0.99 + 1)) AS sketched
SELECT
    by_place      AS place,
    by_journey    AS journey,
    by_stage      AS stage,
    by_channel    AS channel,
    by_touchpoint AS touchpoint,
    by_segment    AS segment,

    -- The metrics whose form the catalogue says: counts, means, quantiles.
    {declared_metrics},

    if(nps_answers = 0, NULL, 100 * (promoters - detractors) / nps_answers)                AS nps,
    nps_answers                                                                            AS nps_n,
    if(nps_answers = 0, NULL, greatest(-100., 100 * (adjusted_nps - nps_margin)))          AS nps_low,
    if(nps_answers = 0, NULL, least(100., 100 * (adjusted_nps + nps_margin)))              AS nps_high,

    if(csat_answers = 0, NULL, 100 * csat_top / csat_answers)                              AS csat,
    csat_answers                                                                           AS csat_n,
    100 * wilson_low(csat_top, csat_answers)                                               AS csat_low,
    100 * wilson_high(csat_top, csat_answers)                                              AS csat_high,
    if(csat_answers = 0, NULL, csat_total / csat_answers)                                  AS csat_mean,
    csat_answers                                                                           AS csat_mean_n,
    -- Within the scale; least and greatest would pass over a null.
    if(csat_answers < 2, NULL, greatest(1., csat_total / csat_answers - csat_margin))      AS csat_mean_low,
    if(csat_answers < 2, NULL, least(5., csat_total / csat_answers + csat_margin))         AS csat_mean_high,

    if(ces_answers = 0, NULL, ces_total / ces_answers)                                     AS ces,
    ces_answers                                                                            AS ces_n,
    if(ces_answers < 2, NULL, greatest(1., ces_total / ces_answers - ces_margin))          AS ces_low,
    if(ces_answers < 2, NULL, least(7., ces_total / ces_answers + ces_margin))             AS ces_high,
    if(ces_answers = 0, NULL, 100 * ces_top / ces_answers)                                 AS ces_easy,
    ces_answers                                                                            AS ces_easy_n,
    100 * wilson_low(ces_top, ces_answers)                                                 AS ces_easy_low,
    100 * wilson_high(ces_top, ces_answers)                                                AS ces_easy_high,

    if(ended = 0, NULL, sum_success / ended)                                               AS success_rate,
    ended                                                                                  AS success_rate_n,
    wilson_low(sum_success, ended)                                                         AS success_rate_low,
    wilson_high(sum_success, ended)                                                        AS success_rate_high,

    -- Never summed over currencies.
    multiIf(empty(sum_revenue_minor_by_currency), 0,
        length(sum_revenue_minor_by_currency) = 1, mapValues(sum_revenue_minor_by_currency)[1], NULL) AS revenue_minor,
    if(sum_purchases = 0 OR length(sum_purchase_revenue_minor_by_currency) != 1, NULL,
        mapValues(sum_purchase_revenue_minor_by_currency)[1] / sum_purchases) AS average_order_minor,
    multiIf(length(sum_purchase_revenue_minor_by_currency) > 1, 'several_currencies',
        sum_purchases > 0 AND empty(sum_purchase_revenue_minor_by_currency), 'no_amounts', '') AS average_order_minor_reason,
    sum_purchases                                                                          AS average_order_minor_n
FROM ({counts_of_sums})
