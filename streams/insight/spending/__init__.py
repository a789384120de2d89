"""How much more happier customers spend afterwards. Pure: a row of each person in, numbers out."""
