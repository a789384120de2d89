-- A scope of visits.sql: all touches.
true
