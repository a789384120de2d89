"""Anomalies of series that have no distribution: one value after another, in constant memory, pure."""
