-- What each person bought on a day, in one currency: the purchases of a day are one transaction, as in the literature.
-- Days are days of UTC since 1970. FINAL: a touch that was inserted twice would be spent twice. One `person` alone
-- (empty: all persons) is looked for by the table's key first, among the customer's own touches and anonymous ones.
SELECT
    {person_of_touch},
    toInt32(toDate32(touch.occurred_at)) AS day,
    sum(touch.minor) AS day_minor
FROM
(
    SELECT customer_id, anonymous_id, occurred_at, assumeNotNull(revenue_minor) AS minor
    FROM journey_touches FINAL
    WHERE action = 'purchase' AND revenue_minor >= 0 AND currency = {currency:String}
      AND toInt32(toDate32(occurred_at)) <= {until_day:Int32}
      AND {still_counts}
      AND ({person:String} = '' OR customer_id IN ({person:String}, ''))
) AS touch
LEFT ANY JOIN ({owners_of_anonymous_ids}) AS who ON touch.anonymous_id = who.anonymous_id
WHERE ({person:String} = '' OR (person = {person:String} AND known = {known:Bool}))
  AND cityHash64(person) % {one_in:UInt32} = 0
GROUP BY known, person, day
