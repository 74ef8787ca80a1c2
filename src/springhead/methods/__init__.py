"""The API, one file per noun. Importing this package registers every method."""

from springhead.methods import fields, lead_reads, leads, users

__all__ = ["fields", "lead_reads", "leads", "users"]
