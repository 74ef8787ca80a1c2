"""Metrics for Prometheus: calls, errors, latencies, the pool, connections, jobs. They contain no secret.

Companies are named by their numbers, and only the busiest ones, so that the number of labels is bounded.
"""

import heapq
from time import monotonic
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client.metrics_core import Metric

    from springhead.jobs.runner import JobState
    from springhead.store.database.pool import Database
    from springhead.wire.http.connections import Connections

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUSIEST = 10
"""How many companies the metrics name."""

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one server process."""

    def __init__(
        self,
        database: "Database",
        *,
        page_views: "Callable[[], Mapping[str, int]]",
        pushes: "Callable[[], Mapping[str, int]]",
        refusals: "Mapping[tuple[str, int], int]",
        jobs: "Callable[[], Mapping[str, JobState]]",
        failures: "Mapping[str, int]",
    ) -> None:
        self._registry = CollectorRegistry()
        self._counters: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._registry.register(_Pool(database))
        self._registry.register(_PageViews(page_views))
        self._registry.register(_Pushes(pushes))
        self._registry.register(_Refusals(refusals))
        self._registry.register(_Jobs(jobs, failures))
        self._calls = Counter(
            "springhead_calls",
            "Calls by method and error code (0: none).",
            ("method", "code"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "springhead_call_seconds", "Time from the request's head to the answer.", ("method",),
            buckets=_BUCKETS, registry=self._registry,
        )  # fmt: skip
        self._unauthorized = Counter(
            "springhead_unauthorized", "Requests with wrong or missing credentials.", registry=self._registry
        )

    def called(self, method: str, code: int, seconds: float) -> None:
        """Counts a call. `method` must be the name of a method, or `-`, so that callers cannot create labels."""
        # Cached: the lookup of a pair of labels takes longer than the count.
        counters = self._counters.get((method, code))
        if counters is None:
            counters = self._counters[method, code] = (self._calls.labels(method, code), self._seconds.labels(method))
        counters[0].inc()
        counters[1].observe(seconds)

    def unauthorized(self) -> None:
        """Counts a request without valid credentials."""
        self._unauthorized.inc()

    def text(self, connections: "Connections | None" = None) -> bytes:
        """Returns all metrics in the text format of Prometheus; those of HTTP connections only if they are given."""
        if connections is None:
            return generate_latest(self._registry)
        http_registry = CollectorRegistry()
        http_registry.register(_Http(connections))
        return generate_latest(self._registry) + generate_latest(http_registry)


class _Pool(Collector):
    def __init__(self, database: "Database") -> None:
        self._database = database

    def collect(self) -> "Iterable[Metric]":
        """Yields the current size of the pool, the calls that wait for it, and the companies that use it most."""
        size, idle = self._database.connections
        pool = GaugeMetricFamily("springhead_database_connections", "Connections to the database.", labels=["state"])
        pool.add_metric(["busy"], size - idle)
        pool.add_metric(["idle"], idle)
        yield pool
        admission = self._database.admission
        yield GaugeMetricFamily("springhead_database_waiting", "Work that waits for its turn.", value=admission.waiting)
        companies = GaugeMetricFamily(
            "springhead_company_connections",
            f"Connections that a company has used on average in the last minute; the {BUSIEST} busiest companies.",
            labels=["company"],
        )
        for company_id, load in heapq.nlargest(BUSIEST, admission.loads(monotonic()), key=lambda entry: entry[1]):
            companies.add_metric([str(company_id)], load)
        yield companies


class _PageViews(Collector):
    def __init__(self, page_views: "Callable[[], Mapping[str, int]]") -> None:
        self._page_views = page_views

    def collect(self) -> "Iterable[Metric]":
        """Yields the number of page views by outcome."""
        views = CounterMetricFamily("springhead_page_views", "Page views by outcome.", labels=["what"])
        for outcome, count in self._page_views().items():
            views.add_metric([outcome], count)
        yield views


class _Pushes(Collector):
    def __init__(self, pushes: "Callable[[], Mapping[str, int]]") -> None:
        self._pushes = pushes

    def collect(self) -> "Iterable[Metric]":
        """Yields the number of pushes by outcome, and of waiting pushes."""
        counts = dict(self._pushes())
        waiting = GaugeMetricFamily("springhead_pushes_waiting", "Pushes that wait for an attempt, of all processes.")
        waiting.add_metric([], counts.pop("waiting", 0))
        yield waiting
        pushes = CounterMetricFamily("springhead_pushes", "Attempts to push by outcome.", labels=["what"])
        for outcome, count in counts.items():
            pushes.add_metric([outcome], count)
        yield pushes


class _Refusals(Collector):
    def __init__(self, refusals: "Mapping[tuple[str, int], int]") -> None:
        self._refusals = refusals

    def collect(self) -> "Iterable[Metric]":
        """Yields the number of refused objects so far, by method and error code."""
        objects = CounterMetricFamily(
            "springhead_refused_objects", "Objects refused in calls that went through.", labels=["method", "code"]
        )
        for (method, code), count in self._refusals.items():
            objects.add_metric([method, str(code)], count)
        yield objects


class _Jobs(Collector):
    def __init__(self, jobs: "Callable[[], Mapping[str, JobState]]", failures: "Mapping[str, int]") -> None:
        self._jobs, self._failures = jobs, failures

    def collect(self) -> "Iterable[Metric]":
        """Yields the states of the server's jobs, and the number of failed steps of background jobs so far."""
        up = GaugeMetricFamily(
            "springhead_job_up", "1: the job runs. 0: it died and waits for its restart.", labels=["job"]
        )
        restarts = CounterMetricFamily("springhead_job_restarts", "Restarts of jobs that died.", labels=["job"])
        success = GaugeMetricFamily(
            "springhead_job_last_success_timestamp_seconds", "When the job last succeeded.", labels=["job"]
        )
        for name, state in self._jobs().items():
            up.add_metric([name], state.is_up)
            restarts.add_metric([name], state.restarts)
            success.add_metric([name], state.last_success)
        yield from (up, restarts, success)
        failures = CounterMetricFamily(
            "springhead_background_job_failures", "Failed steps of background jobs.", labels=["kind"]
        )
        for kind, count in self._failures.items():
            failures.add_metric([kind], count)
        yield failures


class _Http(Collector):
    def __init__(self, connections: "Connections") -> None:
        self._connections = connections

    def collect(self) -> "Iterable[Metric]":
        """Yields the number of open HTTP connections, and the number of all connections by outcome."""
        register = self._connections
        current = GaugeMetricFamily("springhead_http_connections", "HTTP connections.", labels=["state"])
        current.add_metric(["open"], len(register.open))
        current.add_metric(["idle"], len(register.idle))
        yield current
        outcomes = CounterMetricFamily("springhead_http", "HTTP connections by outcome.", labels=["what"])
        for outcome in ("accepted", "evicted", "refused", "bad_requests"):
            outcomes.add_metric([outcome], getattr(register, outcome))
        for deadline, count in register.deadlines.items():
            outcomes.add_metric([f"{deadline}_deadline"], count)
        yield outcomes
