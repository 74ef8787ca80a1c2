"""Actions: changes of many leads that are started together, in parts, with undo."""
