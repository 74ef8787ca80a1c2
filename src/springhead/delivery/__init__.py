"""Pushes: changes of leads on their way to the receivers that subscribed to them. Knows no method and no envelope."""
