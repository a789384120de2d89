-- The instruments of the definitions in force, as JSON; empty where they declare none. Definitions that are known, and not yet
-- in force, are of 1970.
SELECT JSONExtractRaw(argMax(content, in_force_since), 'instruments') AS declared
FROM definitions
WHERE in_force_since > fromUnixTimestamp64Milli(0, 'UTC')
