-- The intervals of a rolling row, and what they were widened by. Part of a SELECT list.
{live_bounds},
effects AS design_effects
