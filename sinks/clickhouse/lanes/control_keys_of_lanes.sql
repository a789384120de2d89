-- The newest row of each lane again, with other keys: of rows with one next_offset the one that was inserted last stands.
INSERT INTO lanes
SELECT * REPLACE ({keys:String} AS control_keys, now64(3) AS written_at)
FROM lanes FINAL
