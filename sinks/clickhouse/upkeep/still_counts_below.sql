-- As still_counts.sql, as of the offset up to which lanes were flushed.
(log_id, partition, log_offset) NOT IN
(
    SELECT log_id, partition, log_offset FROM superseded INNER JOIN flushed USING (log_id, partition) WHERE by_offset < next_offset
)
