-- Whether the raw events next to the interval's edges are still there: touches of the ten seconds around each edge that
-- is no whole ten seconds, from panes and from raw events.
SELECT
    (SELECT sum(touches) FROM stage_panes FINAL
     WHERE resolution_s = 10 AND has({starts:Array(Int64)}, toUnixTimestamp64Milli(pane_start))
       AND pane_start >= fromUnixTimestamp64Milli({first:Int64}, 'UTC')
       AND pane_start <= fromUnixTimestamp64Milli({last:Int64}, 'UTC')) AS pane_touches,
    (SELECT count() FROM touchpoints FINAL
     WHERE {still_counts} AND arrayExists(start -> toUnixTimestamp64Milli(occurred_at) >= start AND toUnixTimestamp64Milli(occurred_at) < start + 10000,
                       {starts:Array(Int64)})) AS raw_touches
