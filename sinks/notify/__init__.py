"""Telling people and machines of alerts: one notification, several destinations."""
