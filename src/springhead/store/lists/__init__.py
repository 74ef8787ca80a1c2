"""Members of lists: added, removed, and updated by the filter of a list. `nouns/` writes the lists themselves."""
