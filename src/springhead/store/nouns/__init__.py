"""The generic statements: reads and writes of any noun, made from its columns.

Statements that are special to a noun stand in the folder of that noun.
"""
