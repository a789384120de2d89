-- No group has a rolling row of its own without the groups that it is part of. Part of a SELECT list, over admits.sql.
undecided OR journey_admitted                                   AS journey_in,
undecided OR (journey_in AND stage_admitted)                    AS stage_in,
undecided OR (stage_in AND channel_admitted)                    AS channel_in,
undecided OR (stage_in AND segment_admitted)                    AS segment_in,
undecided OR (channel_in AND segment_in AND cross_admitted)     AS cross_in
