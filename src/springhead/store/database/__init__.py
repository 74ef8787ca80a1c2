"""Access to PostgreSQL: pool, transactions, parts of statements, migrations, health. Knows no noun."""
