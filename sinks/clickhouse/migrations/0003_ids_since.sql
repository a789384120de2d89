-- The duplicate horizon of a lane never falls back, even where new definitions remember event ids for longer: what it
-- has passed is forgotten by every owner alike (docs/decisions/0004).
ALTER TABLE lanes ADD COLUMN IF NOT EXISTS
    ids_since DateTime64(3, 'UTC') COMMENT 'event ids that were counted at an earlier lane clock are forgotten'
    AFTER predecessor_next_offset;
