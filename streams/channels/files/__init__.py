"""Files of events: read in bounded memory whatever their format, judged line by line, published."""
