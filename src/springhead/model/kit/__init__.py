"""What every noun is made of: columns, fields, filters, times and errors. No noun stands here."""
