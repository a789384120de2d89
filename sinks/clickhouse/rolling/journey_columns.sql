-- The columns of a rolling row of visits. Part of a SELECT list.
topic, window, tick, group_key, watermark, conversion_reason,
{journey_fields}
