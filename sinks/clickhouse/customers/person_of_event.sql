-- The person that a raw event counts for, as person_of_touch.sql has it: (whether a customer, id). An expression over `event`
-- joined with `owners_of_anonymous_ids` (owners_of_anonymous_ids.sql).
multiIf(
    event.customer_id != '', (true, event.customer_id),
    who.customer_id != '', (true, who.customer_id), (false, event.anonymous_id))
