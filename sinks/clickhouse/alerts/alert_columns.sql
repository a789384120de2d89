-- The columns that alerts and their changes share, instants in milliseconds since 1970. Part of a SELECT list.
namespace, rule, journey, stage, channel, segment,
toUnixTimestamp64Milli(tick) AS tick_ms, state, toUnixTimestamp64Milli(since) AS since_ms, verdict,
metric, window, condition, severity, owner, summary,
value, n, low, high, baseline, baseline_n, toUnixTimestamp64Milli(baseline_tick) AS baseline_tick_ms, reason, mutes, incident
