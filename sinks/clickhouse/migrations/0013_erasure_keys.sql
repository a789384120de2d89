-- The key under which ids of the erased are hashed (docs/decisions/0010), one at most: what HMAC-SHA256 (RFC 2104) makes of
-- it, so that queries can hash as well. Kafka holds the hashes, and never this.
CREATE TABLE IF NOT EXISTS erasure_keys
(
    inner_pad String                         COMMENT '64 bytes in hexadecimal',
    outer_pad String                         COMMENT '64 bytes in hexadecimal',
    made_at   DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (inner_pad, outer_pad);
