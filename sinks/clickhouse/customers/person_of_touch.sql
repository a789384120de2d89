-- Whom a touch counts for: a customer (`known`), else an anonymous id: two name spaces. Part of a SELECT list over
-- `touch` joined with `owners_of_anonymous_ids` (owners_of_anonymous_ids.sql).
touch.customer_id != '' OR who.customer_id != '' AS known,
multiIf(touch.customer_id != '', touch.customer_id, who.customer_id != '', who.customer_id, touch.anonymous_id) AS person
