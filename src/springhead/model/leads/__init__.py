"""Leads, and their events, conversion, duplicates, merging, recycle bin, erasure and search.

Lists, scores and sales, which refer to leads, have folders and modules of their own.
"""
