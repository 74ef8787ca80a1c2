"""The lead and what becomes of it: events, conversion, duplicates, merging, recycling, erasure, search.

Lists, scores and sales, which refer to leads, stand in rooms of their own.
"""
