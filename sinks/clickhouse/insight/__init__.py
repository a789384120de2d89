"""What insight reads: answers of people, as matrices."""
