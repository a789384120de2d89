"""Foreign shapes: how columns and values of others become the fields of a touchpoint event."""
