ALTER TABLE journey_touches DELETE WHERE {journey_touches_to_erase}
