"""Figures about many leads: counts, totals of fields, and the spread of their values."""
