"""The API over HTTP: credentials, rate limits, the envelope, and the endpoint. Imports no method."""
