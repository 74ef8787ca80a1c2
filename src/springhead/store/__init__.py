"""Every SQL statement of the server, one function each. Knows no HTTP and no wire format."""
