"""The pages of alerts: all of them as they stand, and one with its history."""
