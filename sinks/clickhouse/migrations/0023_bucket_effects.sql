-- By how much answers of the same people weigh less in a bucket (docs/decisions/0027): kept, so that a replay says the same.
ALTER TABLE alert_buckets ADD COLUMN IF NOT EXISTS
    effect          Float32                        COMMENT 'design effect of the group\'s answers; 0: not known then, the one before holds'
    AFTER counts;
