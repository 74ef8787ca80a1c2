"""How leads end: merged, deleted, restored, erased; and the list of all personal data."""
