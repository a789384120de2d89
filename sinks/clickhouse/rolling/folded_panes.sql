-- Panes of several windows added up by what admitted_names.sql leaves of their names. `own_names` counts the others, for each
-- of the groups of group_keys.sql. `windows_panes`, `admits`, `admitted_names`: the files. One SELECT for each
-- step: an expression that is named in another would be copied into it, and each copy of an IN reads the list again.
SELECT
    cut, own, own_journey, own_stage, own_channel, own_segment,
    [uniqStateIf(cityHash64(journey), NOT own.1), uniqStateIf(cityHash64(journey, stage), NOT own.2),
     uniqStateIf(cityHash64(channel), NOT own.3), uniqStateIf(cityHash64(segment), NOT own.4),
     uniqStateIf(cityHash64(channel, segment), NOT own.5)] AS own_names,
    {folded_measures}
FROM (SELECT *, {admitted_names} FROM ({windows_panes}))
GROUP BY cut, own, own_journey, own_stage, own_channel, own_segment
