-- Raw events of somebody who was erased. A condition.
record_at <= greatest({customer_erased}, {anonymous_erased})
