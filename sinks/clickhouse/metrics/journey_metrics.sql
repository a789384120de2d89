-- What became of the visits that began in [raw_from, raw_to); the definitions are in docs/journeys.md. A visit counts for
-- channel, touchpoint and segment of its first touch. `share_intervals`, `kaplan_meier`, `cohorts`: the files.
WITH
{share_intervals},
{kaplan_meier}
SELECT
    by_journey AS journey, by_stage AS stage, by_channel AS channel, by_touchpoint AS touchpoint, by_segment AS segment,
    entered, entered_first, progressed, dropped, entered - progressed - dropped AS open, progressed - converted AS open_progressed,
    recovered,
    if(decided_n = 0, NULL, converted / decided_n) AS conversion,
    decided_n                                      AS conversion_n,
    wilson_low(converted, decided_n)               AS conversion_low,
    wilson_high(converted, decided_n)              AS conversion_high,
    multiIf(decided_n > 0, '', going = 0, 'last_stage', timed = 0, 'no_timeout', 'not_decided_yet') AS conversion_reason,
    if(watched_n = 0, NULL, 1 - stayed)            AS conversion_estimate,
    watched_n                                      AS conversion_estimate_n,
    -- Greenwood's variance on the scale log(-log): none if no visit or every visit went on.
    if(watched_n = 0 OR stayed <= 0 OR stayed >= 1, NULL, 1 - pow(stayed, exp(-z * deviation))) AS conversion_estimate_low,
    if(watched_n = 0 OR stayed <= 0 OR stayed >= 1, NULL, 1 - pow(stayed, exp(z * deviation)))  AS conversion_estimate_high,
    if(watched_n = 0, NULL, watched_ms)            AS conversion_estimate_ms,
    if(dwell_n = 0, NULL, dwell[1]) AS dwell_ms_p50,
    if(dwell_n = 0, NULL, dwell[2]) AS dwell_ms_p95,
    dwell_n                         AS dwell_ms_n,
    entered - dwell_n               AS dwell_open
FROM
(
    SELECT
        *,
        kept_share(ends, watched_n)                    AS stayed,
        sqrt(greenwood(ends, watched_n)) / -log(stayed) AS deviation
    FROM ({cohorts})
)
