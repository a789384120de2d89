-- Which of these lanes have been left for a next log: log_id and partition.
SELECT DISTINCT predecessor_log_id, partition
FROM lanes
WHERE has({log_ids:Array(String)}, predecessor_log_id)
