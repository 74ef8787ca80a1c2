"""The nouns of the API and their rules: pure data and functions, no SQL and no HTTP."""
