-- What silent feeds mute (docs/decisions/0034): kept with each bucket, so that a replay says the same.
ALTER TABLE alert_buckets ADD COLUMN IF NOT EXISTS
    gate            UInt8                          COMMENT '1: a feed of the group may be silent; 2: it is, the group is muted; 3: it is gone, the group learns anew'
    AFTER effect;
ALTER TABLE alerts ADD COLUMN IF NOT EXISTS
    reason          String                         COMMENT 'why it can not be judged, where verdict is unable'
    AFTER baseline_tick;
ALTER TABLE alerts ADD COLUMN IF NOT EXISTS
    mutes           Array(String)                  COMMENT 'of a silent feed: rules and groups that are not judged as long as it is'
    AFTER reason;
ALTER TABLE alert_changes ADD COLUMN IF NOT EXISTS
    reason          String                         COMMENT 'why it can not be judged, where verdict is unable'
    AFTER baseline_tick;
ALTER TABLE alert_changes ADD COLUMN IF NOT EXISTS
    mutes           Array(String)                  COMMENT 'of a silent feed: rules and groups that are not judged as long as it is'
    AFTER reason;
