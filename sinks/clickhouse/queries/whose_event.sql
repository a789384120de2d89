-- The person that a raw event counts for, as whose_touch.sql has it: (whether a customer, id). An expression over `event`
-- joined with `who` (who.sql).
multiIf(
    event.customer_id != '', (true, event.customer_id),
    who.customer_id != '', (true, who.customer_id), (false, event.anonymous_id))
