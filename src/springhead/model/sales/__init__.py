"""Accounts, campaigns, opportunities, products, notes, tasks and logged calls. Leads are in `leads/`."""
