-- The touches of one person, by the key of `journey_touches`: of a customer (`known`) those under the customer's id and
-- under the anonymous ids that are theirs; of an anonymous id that no customer owns, its own. The columns of touches.sql, and
-- what was said and paid. FINAL: what is added up here must not stand twice. `owners_of_anonymous_ids`: owners_of_anonymous_ids.sql.
SELECT
    journey, {known:Bool} AS known, {person:String} AS person,
    toUnixTimestamp64Milli(occurred_at) AS at_ms,
    event_id, stage, channel, touchpoint, segment, action, outcome, nps, csat, ces, sentiment_micro, revenue_minor, currency,
    cityHash64(log_id, partition, log_offset) AS row
FROM journey_touches FINAL
WHERE {still_counts}
  AND (customer_id = if({known:Bool}, {person:String}, '') AND {known:Bool}
   OR customer_id = '' AND anonymous_id IN
    (
        SELECT anonymous_id
        FROM ({owners_of_anonymous_ids})
        WHERE customer_id = {person:String} AND {known:Bool}
          AND anonymous_id IN (SELECT anonymous_id FROM identities WHERE customer_id = {person:String})
        UNION ALL
        SELECT {person:String} WHERE NOT {known:Bool}
    ))
