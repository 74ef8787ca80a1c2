"""Custom fields, and the keys of values of unique fields. The values themselves are stored with their leads."""
