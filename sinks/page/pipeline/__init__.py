"""The page of the data path: whether each part of it runs, and how far it is."""
