-- What the models know of each person who had bought by the end of the observation (`last_day`): purchases after the
-- first, when the last one was, since when the person is known, the mean value of the repeat purchases (0: none), and
-- how many purchases came after the observation.
SELECT
    known, person, min(day) AS first_day,
    countIf(day <= {last_day:Int32}) - 1 AS repeats,
    (maxIf(day, day <= {last_day:Int32}) - first_day) / 7 AS recency_weeks,
    ({last_day:Int32} - first_day) / 7 AS age_weeks,
    sumIf(day_minor, day <= {last_day:Int32}) AS spent_minor,
    if(repeats = 0, 0., (spent_minor - argMin(day_minor, day)) / repeats) AS mean_minor,
    countIf(day > {last_day:Int32}) AS later
FROM ({clv_transactions})
GROUP BY known, person
HAVING first_day <= {last_day:Int32}
