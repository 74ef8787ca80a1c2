"""Methods about the change feed, subscriptions and deliveries."""
