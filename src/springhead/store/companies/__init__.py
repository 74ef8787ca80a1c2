"""Companies, their API keys, call counts and idempotency keys."""
