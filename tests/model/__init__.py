"""The lane, driven through crashes, cuts and zombies, and held against the oracle."""
