-- Buckets in [from_ms, to_ms) as a judgement of a rule counted them.
SELECT toUnixTimestamp64Milli(bucket) AS start_ms, group_key, h, counts, effect, gate
FROM alert_buckets FINAL
WHERE topic = {topic:String} AND rule = {rule:String} AND digest = {digest:String} AND namespace = {namespace:String}
  AND run = fromUnixTimestamp64Milli({run_ms:Int64}, 'UTC')
  AND bucket >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND bucket < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
