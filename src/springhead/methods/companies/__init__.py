"""Methods about the company itself: its users."""
