"""Methods about times themselves."""
