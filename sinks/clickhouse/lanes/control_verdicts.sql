-- What lanes made of control records with these sequence numbers: of copies of one the obeyed one is asked for.
SELECT partition, max(obeyed), argMax(what, (obeyed, log_offset))
FROM control_records FINAL
WHERE topic = {topic:String} AND has({sequences:Array(UInt64)}, sequence)
GROUP BY log_id, partition, sequence
ORDER BY partition
