-- What the models are fitted to. In one order, so that the same purchases give the same sums to the last digit.
SELECT repeats, recency_weeks, age_weeks, mean_minor, later
FROM ({clv_customers})
ORDER BY ALL
