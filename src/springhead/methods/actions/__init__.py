"""Actions: changes of many leads that are started together, with progress, a stop, and an undo."""
