"""How fast: ours, end to end, beside the limit of the wire and what one would pick instead. `make bench`."""
