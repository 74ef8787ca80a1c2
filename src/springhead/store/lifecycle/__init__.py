"""Merging, recycling, restoring and erasing leads; and the list of all personal data."""
