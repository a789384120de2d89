-- Ids of erased persons, and up to when each is erased.
SELECT id_hash, max(erased_at) AS until FROM erasures GROUP BY id_hash ORDER BY id_hash
