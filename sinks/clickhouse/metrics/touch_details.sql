-- Three elements of a tuple in visits.sql.
toString(channel), toString(touchpoint), toString(segment)
