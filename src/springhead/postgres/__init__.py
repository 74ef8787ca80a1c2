"""The embedded PostgreSQL: its binaries, its data folder, and its life from initdb to shutdown.

Knows no table and no statement; every other database is reached by its address alone.
"""
