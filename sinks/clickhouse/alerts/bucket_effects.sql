-- The design effects of a metric in a window's groups, where it is not 1.
SELECT group_key, effects[{metric:String}] AS effect
FROM design_effects FINAL
WHERE topic = {topic:String} AND window = {window:String} AND mapContains(effects, {metric:String})
