"""`python -m springhead` is the command `springhead`."""

from springhead.cli import main

main()
