"""Statements about leads: events, timeline, history, search, duplicates, conversion, merged ids.

The generic reads and writes of leads are in `nouns/`, merging and erasing in `lifecycle/`.
"""
