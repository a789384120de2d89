"""The local stack, as the command line starts it and finds it again."""
