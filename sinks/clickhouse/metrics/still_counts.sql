-- Whether an event that was counted still does: no later version of its answer took its place. A condition on rows of
-- `touchpoints` or `journey_touches`.
(log_id, partition, log_offset) NOT IN (SELECT log_id, partition, log_offset FROM superseded)
