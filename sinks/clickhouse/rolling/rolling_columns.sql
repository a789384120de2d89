-- The columns of a rolling row. Part of a SELECT list.
topic, window, tick, group_key, completeness, other_names, design_effects,
{rolling_fields}
