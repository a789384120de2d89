-- What the letter held; offset and reason stay.
ALTER TABLE dead_letters UPDATE key = NULL, value = NULL, headers = [], detail = 'erased' WHERE {dead_letters_to_erase}
