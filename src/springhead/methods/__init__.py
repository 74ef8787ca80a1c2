"""The API, one file per noun. Importing this package registers every method."""

from springhead.methods import accounts, fields, lead_reads, leads, users

__all__ = ["accounts", "fields", "lead_reads", "leads", "users"]
