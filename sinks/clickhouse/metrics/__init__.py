"""Exact metrics of an interval, and of the journeys in it."""
