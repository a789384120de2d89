-- Which of some events have been counted in a topic, as far as raw events are kept. `ids`: event_id, sent along.
SELECT DISTINCT event_id, source, channel, customer_id, anonymous_id, kafka_key
FROM touchpoints
WHERE log_id IN (SELECT log_id FROM lanes WHERE topic = {topic:String}) AND event_id IN (SELECT event_id FROM ids)
