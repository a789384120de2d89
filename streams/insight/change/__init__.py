"""Whether a change helped: differences in differences over places. Pure: sums of places in, numbers out."""
