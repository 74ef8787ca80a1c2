"""Custom fields and the values of unique fields. The values themselves are columns of their nouns."""
