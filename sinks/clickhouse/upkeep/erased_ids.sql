-- Who was erased, and up to when.
SELECT id_hash, max(erased_at) AS until FROM erasures GROUP BY id_hash ORDER BY id_hash
