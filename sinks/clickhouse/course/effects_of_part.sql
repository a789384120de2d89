-- The design effects that were measured lately of a group's part, else of the group {parent}, else of all events. Part of a
-- SELECT list; the part is the second of by_place. `effects_of_all`: the file.
({effects_of_all}) AS effects_of_all,
(
    SELECT mapFromArrays(groupArray(part), groupArray(newest))
    FROM
    (
        SELECT
            if(has(group_key.1, {by:String}), concat('=', group_key[indexOf(group_key.1, {by:String})].2), '') AS part,
            argMax(effects, written_at) AS newest
        FROM design_effects
        WHERE topic = {topic:String} AND design_effects.window = {effects_window:String}
          AND arrayFilter(one -> one.1 != {by:String}, group_key) = {parent:Array(Tuple(String, String))}
        GROUP BY part
    )
) AS effects_of_parts,
multiIf(
    mapContains(effects_of_parts, concat('=', by_place.2)), effects_of_parts[concat('=', by_place.2)],
    mapContains(effects_of_parts, ''), effects_of_parts[''],
    effects_of_all[{effects_window:String}]) AS effects
