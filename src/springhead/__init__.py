"""Springhead: a lead-management CRM server that speaks the Lead Gen & CRM (SharpSpring) Open API."""

from importlib.metadata import version

__version__ = version("springhead")
