"""Nouns and rules of what the public reaches: forms, sites, visitors, email links, and their signatures.

Their HTTP side is in `springhead.capture`.
"""
