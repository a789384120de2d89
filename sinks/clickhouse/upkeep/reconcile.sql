-- Panes of [from_ms, to_ms) held against the same, computed anew from raw events: how many were compared, how many had gone
-- on since the lanes were looked at and can't be, how many differ, and the first of those with what each side says.
-- A pane that has not gone on holds every event of its key below next_offset, and the raw events are in the table before it.
SELECT
    countIf(NOT moved)            AS compared,
    countIf(moved)                AS moving,
    countIf(differs)              AS differing,
    arraySort(groupArrayIf({examples_max:UInt32})(
        (resolution_s, start_ms, journey, stage, channel, touchpoint, segment, log_id, partition, wrong), differs)) AS examples
FROM
(
    SELECT
        log_id, partition, resolution_s, start_ms, journey, stage, channel, touchpoint, segment,
        max(gone_on) AS moved,
        if(max(in_panes) = 0, {reconcile_empty_sums}, anyIf(said, in_panes = 1)) AS pane_says,
        if(max(in_panes) = 1 AND min(in_panes) = 1, {reconcile_empty_sums}, anyIf(said, in_panes = 0)) AS raw_says,
        maxIf(last_offset, in_panes = 1) AS pane_offset,
        maxIf(last_offset, in_panes = 0) AS raw_offset,
        -- A pane's offset may be higher than its last counted event's where duplicates came after it, or an event left it.
        pane_offset < raw_offset OR (pane_offset > raw_offset AND max(duplicates) = 0
            AND (log_id, partition, pane_offset) NOT IN (SELECT log_id, partition, by_offset FROM superseded)) AS offset_wrong,
        arrayFilter(one -> one.2 != one.3, arrayZip(
            arrayPushBack({reconcile_measures}, 'log_offset'),
            arrayPushBack(pane_says, if(offset_wrong, toString(pane_offset), '')),
            arrayPushBack(raw_says, if(offset_wrong, toString(raw_offset), '')))) AS wrong,
        NOT moved AND notEmpty(wrong) AS differs
    FROM
    (
        SELECT
            log_id, partition, resolution_s, start_ms, journey, stage, channel, touchpoint, segment,
            log_offset AS last_offset, duplicates, log_offset >= next_offset AS gone_on, toUInt8(1) AS in_panes, {reconcile_sums} AS said
        FROM ({reconcile_panes})
        UNION ALL
        SELECT
            log_id, partition, resolution_s, start_ms, journey, stage, channel, touchpoint, segment,
            last_offset, toInt64(0), toUInt8(0), toUInt8(0), {reconcile_sums}
        FROM ({reconcile_recomputed})
    )
    GROUP BY log_id, partition, resolution_s, start_ms, journey, stage, channel, touchpoint, segment
)
