"""The methods of saved views of tables."""
