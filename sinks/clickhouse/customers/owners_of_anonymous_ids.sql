-- Whose an anonymous id is: the customer whom it was first identified as. An id that several customers claim (a device
-- that is shared) stays with the first, and two customers never become one; `claims` says how many there are.
SELECT
    anonymous_id,
    argMin(identities.customer_id, (occurred_at, event_id)) AS customer_id,
    uniqExact(identities.customer_id)                       AS claims
FROM identities
GROUP BY anonymous_id
