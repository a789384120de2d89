-- What each touch says of `metric`, with whose it is and when: (known, person, place, at_ms, value); touches that say
-- nothing are left out. `place` is the dimension `by`, or '' for `none`. FINAL: a touch that was inserted twice is one.
-- `filters`, `person_of_touch`, `owners_of_anonymous_ids`: the texts of those names.
SELECT {person_of_touch}, touch.place AS place, touch.at_ms AS at_ms, assumeNotNull(touch.value) AS value
FROM
(
    SELECT
        customer_id, anonymous_id, toUnixTimestamp64Milli(occurred_at) AS at_ms,
        multiIf(
            {by:String} = 'none', '', {by:String} = 'journey', toString(journey), {by:String} = 'stage', toString(stage),
            {by:String} = 'channel', toString(channel), {by:String} = 'touchpoint', toString(touchpoint),
            toString(segment)) AS place,
        toFloat64(multiIf(
            {metric:String} = 'nps', 100 * (toInt32(nps >= 9) - toInt32(nps <= 6)),
            {metric:String} = 'csat', 100 * toInt32(csat >= 4),
            {metric:String} = 'csat_mean', toInt32(csat),
            {metric:String} = 'ces', toInt32(ces),
            outcome = '', NULL, 100 * toInt32(outcome = 'success'))) AS value
    FROM journey_touches FINAL
    WHERE occurred_at >= fromUnixTimestamp64Milli({raw_from:Int64}, 'UTC')
      AND occurred_at <  fromUnixTimestamp64Milli({raw_to:Int64}, 'UTC')
      AND {still_counts}
      AND {filters}
      AND isNotNull(value)
) AS touch
LEFT ANY JOIN ({owners_of_anonymous_ids}) AS who ON touch.anonymous_id = who.anonymous_id
