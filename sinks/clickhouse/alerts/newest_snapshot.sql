-- The newest whole state of a rule's series after a bucket that starts before `before_ms`, its parts in order.
SELECT toUnixTimestamp64Milli(run) AS run_ms, toUnixTimestamp64Milli(bucket) AS start_ms, content, group_keys
FROM alert_snapshots FINAL
WHERE topic = {topic:String} AND rule = {rule:String} AND digest = {digest:String} AND namespace = {namespace:String}
  AND (run, bucket) IN
  (
    SELECT run, bucket FROM alert_snapshots FINAL
    WHERE topic = {topic:String} AND rule = {rule:String} AND digest = {digest:String} AND namespace = {namespace:String}
      AND bucket < fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC')
    GROUP BY run, bucket
    HAVING count() = any(parts)
    ORDER BY run DESC, bucket DESC
    LIMIT 1
  )
ORDER BY part
