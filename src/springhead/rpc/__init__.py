"""API methods: their declaration, parameters, results and description, and how a call performs them."""
