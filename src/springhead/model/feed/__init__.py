"""The change feed and its pushes: subscriptions, signatures, and URLs of receivers.

`springhead.delivery` sends the pushes.
"""
