-- The stages of the definitions that came into force last.
SELECT * EXCEPT (definitions)
FROM journey_stages FINAL
WHERE definitions = (SELECT argMax(version, in_force_since) FROM definitions)
