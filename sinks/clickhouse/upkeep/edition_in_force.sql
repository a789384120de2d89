-- The database that is asked and written; empty: `base` itself.
SELECT argMax(database, since) FROM {base:Identifier}.editions_in_force
