"""HTTP in, HTTP out: envelope, credentials, limits. Knows JSON-RPC and no leads."""
