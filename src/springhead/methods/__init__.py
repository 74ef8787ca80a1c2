"""The API, one file per noun. Importing this package registers every method."""

from springhead.methods import fields, leads, users

__all__ = ["fields", "leads", "users"]
