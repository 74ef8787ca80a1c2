"""Methods about custom fields, and how a field becomes unique."""
