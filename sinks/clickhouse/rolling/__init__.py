"""Rolling windows: written when they are due, and read by page, gauges and alerts."""
