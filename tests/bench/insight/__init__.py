"""How often insight finds what was planted, and how often what was not: a simulation. `make bench-insight`."""
