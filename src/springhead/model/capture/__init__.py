"""What the public reaches: forms, sites, visitors, email links, and the signatures that protect them.

The HTTP side of it stands in `springhead.capture`.
"""
