-- Touches of somebody who was erased. A condition.
occurred_at <= greatest({customer_erased}, {anonymous_erased})
