"""The way to PostgreSQL: pool, transactions, parts of statements, migrations, health. No noun stands here."""
