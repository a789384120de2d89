"""How often 95 % intervals hold the true value, where people answer more than once. `make bench-intervals`."""
