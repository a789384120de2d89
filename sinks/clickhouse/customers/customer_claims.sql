-- The anonymous ids that a customer was ever identified by: whose each is, and who claims it, if several do.
-- The customer's own first, then in the order of names. `owners_of_anonymous_ids`: owners_of_anonymous_ids.sql.
SELECT anonymous_id, customer_id, claims, claimed_by, count() OVER () AS total
FROM
(
    SELECT anonymous_id, customer_id, claims
    FROM ({owners_of_anonymous_ids})
    WHERE anonymous_id IN (SELECT anonymous_id FROM identities WHERE customer_id = {person:String})
) AS one
LEFT ANY JOIN
(
    SELECT anonymous_id, arraySort(groupUniqArray(20)(identities.customer_id)) AS claimed_by
    FROM identities
    WHERE anonymous_id IN (SELECT anonymous_id FROM identities WHERE customer_id = {person:String})
    GROUP BY anonymous_id
) AS claim ON one.anonymous_id = claim.anonymous_id
ORDER BY customer_id = {person:String} DESC, anonymous_id
LIMIT {most:UInt32}
