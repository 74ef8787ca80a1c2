"""A company and a visitor of its site."""

from collections.abc import Generator

import pytest

from capture.public import Public
from support import Company


@pytest.fixture
def public(company: Company) -> Generator[Public]:
    """A visitor of the site of the test's own company."""
    somebody = Public(company)
    yield somebody
    somebody.close()
