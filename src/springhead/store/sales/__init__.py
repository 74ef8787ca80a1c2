"""Statements about opportunities, notes, tasks, logged calls, and references to accounts and campaigns."""
