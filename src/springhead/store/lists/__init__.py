"""Members of lists: added, removed, and kept right by a filter. The lists themselves are written by `nouns/`."""
