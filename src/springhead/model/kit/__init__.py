"""The parts of every noun: columns, fields, filters, times and errors. The nouns themselves are not here."""
