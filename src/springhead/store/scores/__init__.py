"""Scores of leads: the jobs that compute them, and the SQL of a company's score rules."""
