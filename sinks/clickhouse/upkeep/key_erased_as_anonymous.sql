-- Up to when what stands under a record's key is erased; 1900 where it isn't. An expression, also for mutations, which take no
-- parameters and no WITH. `erased_ids`, `erasure_pads_…`: the files. Hashes: sinks/clickhouse/customers/person.py.
if(ifNull(key, '') = '', toDateTime64('1900-01-01 00:00:00', 3, 'UTC'), greatest(
    transform(
        lower(hex(SHA256(concat('anonymous:', ifNull(key, ''))))),
        (SELECT groupArray(id_hash) FROM ({erased_ids})), (SELECT groupArray(until) FROM ({erased_ids})),
        toDateTime64('1900-01-01 00:00:00', 3, 'UTC')),
    transform(
        lower(hex(SHA256(concat({erasure_pad_outer}, SHA256(concat({erasure_pad_inner}, 'anonymous:', ifNull(key, ''))))))),
        (SELECT groupArray(id_hash) FROM ({erased_ids})), (SELECT groupArray(until) FROM ({erased_ids})),
        toDateTime64('1900-01-01 00:00:00', 3, 'UTC'))))
