"""HTTP/1.1 under deadlines and caps: connections, requests, answers, and the server that runs them. Knows no API."""
