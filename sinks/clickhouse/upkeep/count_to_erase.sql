-- How many rows of a table are to be erased. `condition`: …_to_erase.sql.
SELECT count() FROM {table:Identifier} WHERE {condition}
