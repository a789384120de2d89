"""What is computed aside, on demand."""
