"""The programs that tests run besides Python: languages of clients, curl."""

import shutil

import pytest


def program(name: str) -> str:
    """The path of a program. Fails the test if it is missing, because a test that does not run proves nothing."""
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is not installed. To install the programs that tests use, run: make setup")
    return path
