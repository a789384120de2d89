-- Raw events of an erased person. A condition.
record_at <= greatest({customer_erased}, {anonymous_erased})
