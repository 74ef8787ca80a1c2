"""Runs the command `springhead` as `python -m springhead`."""

from springhead.cli import main

main()
