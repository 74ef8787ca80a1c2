"""Methods about accounts, campaigns, opportunities, deal stages, products, notes, tasks and logged calls."""
