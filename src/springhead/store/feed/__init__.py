"""The change feed, the subscriptions to it, and the queue of pushes. `springhead.delivery` sends the pushes."""
