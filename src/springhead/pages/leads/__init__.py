"""The table of leads: its address, its columns and cells, its views, and what is changed in it."""
