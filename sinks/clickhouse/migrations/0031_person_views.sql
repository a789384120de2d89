-- Who looked at which person, on the page and at the gateway (docs/decisions/0045). Written before the person is shown.
-- Erased with the person: the ids are emptied, the rest stays.
CREATE TABLE IF NOT EXISTS person_views
(
    at              DateTime64(3, 'UTC'),
    door            LowCardinality(String)         COMMENT 'page, gateway',
    by              String                         COMMENT 'who: a name by sign-in, or of an API key; empty: no one signs in',
    found           Bool                           COMMENT 'false: no person has the id that was asked for, which is not kept',
    customer_id     String                         COMMENT 'who was seen; empty: not a customer, not found, or erased',
    anonymous_id    String                         COMMENT 'the anonymous id that was asked for',
    id              UUID DEFAULT generateUUIDv4()
)
ENGINE = MergeTree
ORDER BY (at, id)
TTL toDateTime(at) + toIntervalDay(400);
