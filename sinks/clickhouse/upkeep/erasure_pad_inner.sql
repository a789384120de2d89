-- The inner pad of HMAC-SHA256 under the erasure key; empty without one, and then nothing matches. An expression.
(SELECT unhex(max(inner_pad)) FROM erasure_keys)
