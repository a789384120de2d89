-- Events of one source with one event_id that were counted more than once, under two keys or in two partitions: how many
-- ids, and the first of them with where they stand (partition, log_offset, key). `identified_events`: identified_events.sql.
SELECT count() AS ids, arraySlice(arraySort(groupArray({examples_max:UInt32})((numbered_by, event_id, places))), 1, {examples_max:UInt32}) AS examples
FROM
(
    SELECT numbered_by, event_id, arraySort(groupUniqArray(5)((partition, log_offset, key))) AS places
    FROM ({identified_events})
    GROUP BY numbered_by, event_id
    HAVING uniqExact(log_id, partition, key) > 1
)
