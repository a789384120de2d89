-- The design effects of all events together, by window.
SELECT mapFromArrays(groupArray(window), groupArray(newest))
FROM
(
    SELECT toString(design_effects.window) AS window, argMax(effects, written_at) AS newest
    FROM design_effects
    WHERE topic = {topic:String} AND empty(group_key)
    GROUP BY window
)
