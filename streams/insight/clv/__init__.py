"""Customer lifetime value: BG/NBD and gamma-gamma, from repeat purchases. Pure: columns in, numbers out."""
