"""Pushes: changes of leads on their way to the receivers that asked for them. Knows no method and no envelope."""
