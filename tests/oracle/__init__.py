"""The oracle: what the tables must hold, recomputed from the log in plain, slow Python.

It shares no code with what it checks: no module here imports `streams`, `sinks` or `schemas`. The contracts are read as
files (`touchpoint.avsc`, the migration) or restated here, so that a slip in the one is not repeated by the other.
"""
