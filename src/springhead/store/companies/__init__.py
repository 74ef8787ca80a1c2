"""What is kept per company beside its data: API keys, call counts, idempotency keys, the first company."""
