"""HTTP: the server, the API with its envelope, credentials and rate limits, logs and metrics. Imports no method."""
