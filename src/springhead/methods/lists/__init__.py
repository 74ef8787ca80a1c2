"""Methods about lists and their members."""
