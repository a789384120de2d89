-- The lanes of a topic as they stand: of each partition the newest log. `lane_history`: lane_history.sql.
SELECT * FROM ({lane_history})
ORDER BY partition, generation DESC
LIMIT 1 BY partition
