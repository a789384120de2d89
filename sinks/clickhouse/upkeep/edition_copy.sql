-- Rows of a table as another database has them. `condition`: edition_….sql.
INSERT INTO {table:Identifier}
SELECT * FROM {source:Identifier}.{table:Identifier} WHERE {condition}
