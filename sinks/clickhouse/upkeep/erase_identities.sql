ALTER TABLE identities DELETE WHERE {identities_to_erase}
