"""What a page of one place is made of: a metric's course over time, and its parts by channel, touchpoint or segment."""
