"""A worker's lanes, from a poll to an acknowledged flush."""
