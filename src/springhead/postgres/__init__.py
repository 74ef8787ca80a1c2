"""The embedded PostgreSQL: its programs, its data folder, and its life from initdb to shutdown.

Contains no SQL for data of companies. Every other PostgreSQL is reached by its address, without this package.
"""
