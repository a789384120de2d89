-- Incidents are told as changes of alerts are (docs/decisions/0035).
ALTER TABLE alerts ADD COLUMN IF NOT EXISTS
    incident        String                         COMMENT 'empty; see alert_changes'
    AFTER mutes;
ALTER TABLE alert_changes ADD COLUMN IF NOT EXISTS
    incident        String                         COMMENT 'of an incident, whose rule is incident- and its id: its alerts, causes and annotations as JSON; else empty'
    AFTER mutes;
