-- Who looked at persons in [from_ms, to_ms) (since 1970), the newest first. `who`, `person`: empty: whoever, whomever.
SELECT toUnixTimestamp64Milli(at) AS at_ms, door, by, found, customer_id, anonymous_id
FROM person_views
WHERE at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
  AND ({who:String} = '' OR by = {who:String})
  AND ({person:String} = '' OR customer_id = {person:String} OR anonymous_id = {person:String})
ORDER BY at DESC, id
LIMIT {most:UInt32}
