-- Looks at an erased person. A condition.
at <= greatest({customer_erased}, {anonymous_erased})
