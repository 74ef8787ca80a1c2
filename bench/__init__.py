"""`make bench`: compares the server over HTTP with asyncpg and the bare statement, on one database in one run."""
