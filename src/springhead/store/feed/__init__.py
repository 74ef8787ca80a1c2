"""The change feed, the subscriptions to it, and the queue of pushes. Sending is the work of `springhead.delivery`."""
