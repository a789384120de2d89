-- What was noted of a topic in [from_ms, to_ms] (since 1970), the newest first.
SELECT
    id, kind, toUnixTimestamp64Milli(at) AS at_ms, if(isNull(until), NULL, toUnixTimestamp64Milli(until)) AS until_ms,
    journey, stage, channel, segment, text, source, link, exclude
FROM annotations FINAL
WHERE topic = {topic:String}
  AND at <= fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
  AND ifNull(until, at) >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
ORDER BY at DESC, id
LIMIT {most:UInt32}
