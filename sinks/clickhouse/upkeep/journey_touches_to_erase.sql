-- Touches of an erased person. A condition.
occurred_at <= greatest({customer_erased}, {anonymous_erased})
