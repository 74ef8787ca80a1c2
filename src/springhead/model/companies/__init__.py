"""Companies, their API keys and their users. What a company sets about capture stands in `capture/`."""
