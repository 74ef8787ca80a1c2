"""Methods about scores and score rules."""
