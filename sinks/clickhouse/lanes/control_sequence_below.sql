-- The highest sequence number of a control record that a lane obeyed below an offset.
SELECT max(sequence)
FROM control_records FINAL
WHERE log_id = {log_id:String} AND partition = {partition:UInt32} AND log_offset < {below:UInt64} AND obeyed
