"""Editions, erasure, dead letters, reconciliation."""
