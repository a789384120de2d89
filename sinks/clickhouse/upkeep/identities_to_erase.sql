-- What says who is who of somebody who was erased: by the same columns as touches. A condition.
{journey_touches_to_erase}
