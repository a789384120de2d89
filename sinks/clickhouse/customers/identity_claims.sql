-- Who claims the anonymous ids of a customer, or one anonymous id (`is_anonymous`): each claim with the event that made it
-- first, and whether it counts. `owners_of_anonymous_ids`: owners_of_anonymous_ids.sql.
SELECT
    claim.anonymous_id AS anonymous_id, claim.customer_id AS customer_id, owner.customer_id = claim.customer_id AS counts,
    claim.claimed_ms AS claimed_ms, claim.times AS times, claim.first.2 AS event_id, claim.first.3 AS log_id,
    claim.first.4 AS partition, claim.first.5 AS log_offset, count() OVER () AS total
FROM
(
    SELECT
        anonymous_id, customer_id,
        toUnixTimestamp64Milli(min(occurred_at)) AS claimed_ms,
        uniqExact(log_id, partition, log_offset) AS times,
        min((occurred_at, event_id, log_id, partition, log_offset)) AS first
    FROM identities
    WHERE if({is_anonymous:Bool}, anonymous_id = {id:String},
             anonymous_id IN (SELECT anonymous_id FROM identities WHERE customer_id = {id:String}))
    GROUP BY anonymous_id, customer_id
) AS claim
INNER JOIN ({owners_of_anonymous_ids}) AS owner ON owner.anonymous_id = claim.anonymous_id
ORDER BY anonymous_id, counts DESC, claimed_ms, customer_id
LIMIT {most:UInt32}
