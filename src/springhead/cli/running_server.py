"""What a running server says about its jobs, read from its /metrics."""

import http.client
from collections.abc import Mapping

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from springhead.settings import Settings
from springhead.wire.http.server import WILDCARDS

SECONDS = 5.0
"""Seconds that the server has to answer."""

_FIELDS = {
    "springhead_job_up": "up",
    "springhead_job_restarts_total": "restarts",
    "springhead_job_last_success_timestamp_seconds": "last_success",
}


class JobFigures(msgspec.Struct, frozen=True):
    """A job in the metrics: `up` is 0 from a death to the next success, `last_success` a Unix time."""

    up: float
    restarts: float
    last_success: float


def url_of(settings: Settings) -> str:
    """The address at which this machine reaches the server of these settings."""
    host = WILDCARDS.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def jobs_of(settings: Settings) -> Mapping[str, JobFigures] | None:
    """The jobs of the server of these settings, by name; None if no Springhead answers there."""
    host = WILDCARDS.get(settings.host, settings.host)
    connection = http.client.HTTPConnection(host, settings.port, timeout=SECONDS)
    headers = {"Host": settings.allowed_hosts[0]} if settings.allowed_hosts else {}
    try:
        connection.request("GET", "/metrics", headers=headers)
        text = connection.getresponse().read().decode()
        return _jobs(text)
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _jobs(text: str) -> Mapping[str, JobFigures] | None:
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if field := _FIELDS.get(sample.name):
                found.setdefault(sample.labels["job"], {})[field] = sample.value
    jobs = {name: JobFigures(**fields) for name, fields in found.items() if len(fields) == len(_FIELDS)}
    return jobs or None
