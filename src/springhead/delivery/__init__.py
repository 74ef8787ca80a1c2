"""Pushes: sends changes of leads to the receivers that subscribed to them. Imports no method and no envelope."""
