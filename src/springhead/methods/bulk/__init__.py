"""The write machine: how a call of up to 500 objects becomes statements, whatever the noun.

What is special to a noun stands in its own room, as hooks.
"""
