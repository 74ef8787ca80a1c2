"""Figures for Prometheus: calls, errors by code, latencies, the pool, connections. No company, no secret."""

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.metrics_core import Metric

    from springhead.store.db import Database

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The figures of one server process."""

    def __init__(self, database: "Database") -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Pool(database))
        self._calls = Counter(
            "springhead_calls",
            "Calls by method and error code (0: none).",
            ("method", "code"),
            registry=self._registry,
        )
        self._objects = Counter(
            "springhead_refused_objects", "Objects refused in calls that went through.", ("method", "code"),
            registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "springhead_call_seconds", "Time from the request's head to the answer.", ("method",),
            buckets=_BUCKETS, registry=self._registry,
        )  # fmt: skip
        self._unauthorized = Counter(
            "springhead_unauthorized", "Requests with wrong or missing credentials.", registry=self._registry
        )

    def called(self, method: str, code: int, seconds: float) -> None:
        """Count a call. `method` must be a known name, so that callers cannot make up labels."""
        self._calls.labels(method, code).inc()
        self._seconds.labels(method).observe(seconds)

    def refused(self, method: str, code: int) -> None:
        """Count an object that was refused alone."""
        self._objects.labels(method, code).inc()

    def unauthorized(self) -> None:
        """Count a request without valid credentials."""
        self._unauthorized.inc()

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self._registry)


class _Pool(Collector):
    def __init__(self, database: "Database") -> None:
        self._database = database

    def collect(self) -> "Iterable[Metric]":
        """The pool's size at this moment."""
        size, idle = self._database.connections
        pool = GaugeMetricFamily("springhead_database_connections", "Connections to the database.", labels=["state"])
        pool.add_metric(["busy"], size - idle)
        pool.add_metric(["idle"], idle)
        yield pool
