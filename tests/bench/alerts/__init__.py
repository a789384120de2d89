"""How often alerts are wrong, and how often and how soon they are right: a simulation. `make bench-alerts`."""
