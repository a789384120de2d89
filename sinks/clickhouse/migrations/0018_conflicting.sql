ALTER TABLE stage_panes ADD COLUMN IF NOT EXISTS conflicting Int64 DEFAULT 0
    COMMENT 'of the duplicates, those that say something else than what was counted' AFTER duplicates;
