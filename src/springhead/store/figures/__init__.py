"""The SQL of figures about many leads."""
