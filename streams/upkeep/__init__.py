"""Commands that look after data: init, dead-letter replay, re-derivation, editions, reconcile, forget."""
