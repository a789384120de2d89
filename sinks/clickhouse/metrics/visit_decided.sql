-- Of a visit: whether it progressed in time, and whether its cohort is decided as far as the watermark tells. A visit
-- can't progress without a later stage, and is never decided without that and a timeout. Part of a WITH.
isNotNull(progressed_ms) AND ifNull(progressed_ms - entered_ms <= timeout_ms, true) AS in_time,
goes_on AND ifNull(entered_ms + timeout_ms <= {watermark_ms:Int64}, false)          AS decided
