"""A company and the public before it."""

from collections.abc import Generator

import pytest

from capture.public import Public
from support import Company


@pytest.fixture
def public(company: Company) -> Generator[Public]:
    """Somebody with a browser, before the site of the test's own company."""
    somebody = Public(company)
    yield somebody
    somebody.close()
