"""Reads the state of a running server's jobs from its /metrics."""

import http.client
from collections.abc import Mapping

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from springhead.settings import Settings
from springhead.wire.http.server import WILDCARDS

SECONDS = 5.0
"""The longest time in seconds to wait for the server's answer."""

_FIELDS = {
    "springhead_job_up": "up",
    "springhead_job_restarts_total": "restarts",
    "springhead_job_last_success_timestamp_seconds": "last_success",
}


class JobFigures(msgspec.Struct, frozen=True):
    """The state of a job: `up` is 0 from a death until the next success, `last_success` is a Unix time."""

    up: float
    restarts: float
    last_success: float


def url_of(settings: Settings) -> str:
    """Returns the URL at which this machine reaches the metrics of the server of these settings."""
    host, port = _metrics_address(settings)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _metrics_address(settings: Settings) -> tuple[str, int]:
    host, port = settings.metrics_address or (settings.host, settings.port)
    return WILDCARDS.get(host, host), port


def jobs_of(settings: Settings) -> Mapping[str, JobFigures] | None:
    """Returns the states of the server's jobs by name, or None if no Springhead answers at the address."""
    connection = http.client.HTTPConnection(*_metrics_address(settings), timeout=SECONDS)
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
    fields_by_job: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if field := _FIELDS.get(sample.name):
                fields_by_job.setdefault(sample.labels["job"], {})[field] = sample.value
    jobs = {name: JobFigures(**fields) for name, fields in fields_by_job.items() if len(fields) == len(_FIELDS)}
    return jobs or None
