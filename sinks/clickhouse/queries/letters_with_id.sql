-- Dead letters whose key is an id, or whose bytes hold one of some patterns; bytes in hexadecimal.
SELECT log_id, partition, log_offset
FROM dead_letters FINAL
WHERE key = unhex({key:String})
   OR arrayExists(pattern -> position(ifNull(value, ''), unhex(pattern)) > 0, {patterns:Array(String)})
