-- The event stays, without a person. One of another person on the same device loses the anonymous id only.
ALTER TABLE touchpoints UPDATE
    event_id = if(customer_id = '' OR record_at <= {customer_erased}, '', event_id),
    amends = if(customer_id = '' OR record_at <= {customer_erased}, '', amends),
    attributes = if(customer_id = '' OR record_at <= {customer_erased}, map(), attributes),
    kafka_key = if(kafka_key IS NOT NULL AND (customer_id = '' OR record_at <= {customer_erased} OR kafka_key = anonymous_id), '', kafka_key),
    customer_id = if(record_at <= {customer_erased}, '', customer_id),
    anonymous_id = ''
WHERE {touchpoints_to_erase}
