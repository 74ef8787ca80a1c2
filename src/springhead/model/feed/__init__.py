"""The change feed and what is pushed from it: subscriptions, signatures, addresses of receivers.

Sending is the work of `springhead.delivery`.
"""
