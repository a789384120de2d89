-- Identifications of an erased person: by the same columns as touches. A condition.
{journey_touches_to_erase}
