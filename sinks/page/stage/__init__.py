"""The page of one stage: a metric's course, what it is made of, and what it was before."""
