"""Companies, their API keys and their users. A company's settings of capture are in `capture/`."""
