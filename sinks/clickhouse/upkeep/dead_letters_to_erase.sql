-- Dead letters whose key is the id of an erased person. A condition.
record_at <= greatest({key_erased_as_customer}, {key_erased_as_anonymous}) AND isNotNull(key)
