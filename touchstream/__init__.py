"""Touchstream measures customer experience while it happens."""
