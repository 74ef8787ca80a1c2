"""`make bench`: the server over HTTP against asyncpg running the bare statement, in one run on one database."""
