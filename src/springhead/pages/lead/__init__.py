"""The page of one lead: its fields, its timeline, and what people do with it."""
