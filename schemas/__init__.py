"""The contracts: what an event is, how it is written and read, and the definitions of journeys."""
