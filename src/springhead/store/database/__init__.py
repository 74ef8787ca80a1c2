"""Access to PostgreSQL: pool, transactions, parts of statements, migrations, roles, health. Knows no noun."""
