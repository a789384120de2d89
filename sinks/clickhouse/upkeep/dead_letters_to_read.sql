-- Dead letters behind a place, in the order of their places, that may hold one of some texts: as these bytes, or written in
-- another way (escapes, percent signs, two bytes a letter) that only reading can tell. Bytes are in hexadecimal.
SELECT log_id, partition, log_offset, detail, key, value, headers
FROM dead_letters FINAL
WHERE (log_id, partition, log_offset) > ({log_id:String}, {partition:UInt32}, {log_offset:UInt64})
  AND detail != 'erased'
  AND arrayExists(
    held -> position(held, '\\') > 0 OR position(held, '%') > 0 OR position(held, '\0') > 0
        OR arrayExists(pattern -> position(held, unhex(pattern)) > 0, {patterns:Array(String)}),
    arrayConcat(
        [ifNull(key, ''), ifNull(value, ''), detail],
        arrayMap(one -> one.name, headers), arrayMap(one -> one.value, headers)))
ORDER BY log_id, partition, log_offset
LIMIT {most:UInt32}
