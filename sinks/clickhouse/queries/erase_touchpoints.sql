-- The event stays, without a person. One of somebody else on the same device loses the anonymous id only.
ALTER TABLE touchpoints UPDATE
    event_id = if(customer_id = '' OR record_at <= {customer_erased}, '', event_id),
    attributes = if(customer_id = '' OR record_at <= {customer_erased}, map(), attributes),
    customer_id = if(record_at <= {customer_erased}, '', customer_id),
    anonymous_id = ''
WHERE {touchpoints_to_erase}
