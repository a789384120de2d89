-- The groups of admitted.sql by a hash of kind and names: of 64 bits, so that no two of thousands share one.
SELECT cityHash64(*) FROM ({admitted})
