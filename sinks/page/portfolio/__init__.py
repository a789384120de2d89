"""The page of the catalogue: what is measured, and how it stands against its targets."""
