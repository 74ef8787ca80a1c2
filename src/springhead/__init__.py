"""Springhead: a lead-management CRM server that speaks the Lead Gen & CRM (SharpSpring) Open API."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Returns `__version__`, read on first use: reading package metadata takes a sixth of the start time."""
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - see above

        return version("springhead")
    raise AttributeError(name)
