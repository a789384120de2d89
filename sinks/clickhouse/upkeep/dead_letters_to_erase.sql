-- Dead letters whose key is the id of somebody who was erased. A condition.
record_at <= greatest({key_erased_as_customer}, {key_erased_as_anonymous}) AND isNotNull(key)
