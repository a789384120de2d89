"""Drivers: what each touchpoint's answers give to a target. Pure: a matrix of answers in, numbers out."""
