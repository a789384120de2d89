-- What each person is worth from the day after `last_day` on; those with the highest predicted value first.
SELECT
    known, person, repeats + 1 AS purchases, spent_minor, first_day, recency_weeks, age_weeks,
    p_alive, expected_purchases, expected_order_minor, predicted_clv_minor
FROM ({clv_expected})
ORDER BY predicted_clv_minor DESC, known DESC, person
LIMIT {most:UInt32}
SETTINGS max_block_size = 8192
