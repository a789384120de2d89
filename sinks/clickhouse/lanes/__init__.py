"""A lane's rows: one flush written, and what a new owner reads before it goes on."""
