"""Scores of leads: when they are computed, and the SQL of a company's score rules."""
