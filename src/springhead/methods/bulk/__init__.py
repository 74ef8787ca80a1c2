"""The write machine: turns a call of up to 500 objects of any noun into SQL statements.

The rules of a single noun are not here: the noun's own folder has them, as hooks.
"""
