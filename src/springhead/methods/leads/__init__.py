"""Methods about leads: reads, writes, conversion, merging, recycling, erasure, search, timeline."""
