-- Empties some dead letters; offset and reason stay.
ALTER TABLE dead_letters UPDATE key = NULL, value = NULL, headers = [], detail = 'erased'
WHERE (log_id, partition, log_offset) IN {places:Array(Tuple(String, UInt32, UInt64))}
