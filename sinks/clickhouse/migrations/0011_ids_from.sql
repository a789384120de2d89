-- Of a lane's newest offsets ids are remembered, so many at most. How far that has come never falls back, as ids_since
-- doesn't. Lanes that were there before have forgotten nothing by it.
ALTER TABLE lanes ADD COLUMN IF NOT EXISTS
    ids_from Int64 DEFAULT -4611686018427387904
    COMMENT 'event ids that were counted at a lower offset are forgotten; in the log before, -1 is the last'
    AFTER ids_since;
