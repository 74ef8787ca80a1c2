"""HTTP/1.1 with deadlines and limits: the server, its connections, requests and responses. Imports no API."""
