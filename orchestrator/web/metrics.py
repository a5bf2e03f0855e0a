"""What a monitoring system reads of Bascule, in Prometheus' text format: numbers by state, route and result.

No label holds free text: neither a person, a host, a vendor nor a service is named. Whoever may read runs reads those.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.store import gauges
from orchestrator.store.database import Database

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_WEBHOOKS = "/webhooks/"
_REFUSED = {401: "unproven", 429: "unproven", 404: "unknown", 413: "too_large", 422: "unfit", 503: "later"}
"""Status of a delivery that was not taken -> its result."""


class Metrics:
    """Of one process and one database. `clock`: seconds since the epoch."""

    def __init__(self, database: Database, clock: Callable[[], float], certificate: Callable[[], float | None]) -> None:
        """`certificate`: when the service's own ends, in seconds since the epoch; None where it has none."""
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "bascule_http_requests",
            "HTTP requests answered, by route template and status",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._deliveries = Counter(
            "bascule_webhook_deliveries",
            "Webhook deliveries, by what became of them",
            ("result",),
            registry=self._registry,
        )
        self._registry.register(_Stored(database, clock, certificate))

    def text(self) -> bytes:
        """Raises DatabaseFault when the database does not answer."""
        return generate_latest(self._registry)

    def answered(self, scope: Scope, status: int) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._requests.labels(method, _template(scope), str(status)).inc()
        if method == "POST" and scope["path"].startswith(_WEBHOOKS):
            taken = "repeated" if scope.get("state", {}).get("repeated") else "accepted"
            result = taken if status < 300 else _REFUSED.get(status, "failed")
            self._deliveries.labels(result).inc()


class Metered:
    """ASGI middleware: counts every answer when it begins."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answered(scope, message["status"])
            await send(message)

        await self._app(scope, receive, counted)


def _template(scope: Scope) -> str:
    """The route's path with its parameters as names; what met none is `none`, so that nobody can make up labels.

    A route knows its path below its router's prefix alone; prefixes have no parameters.
    """
    path = str(scope["path"])
    template = getattr(scope.get("route"), "path_format", None)
    if isinstance(template, str):
        matched = template.format(**scope.get("path_params", {}))
        if path.endswith(matched):
            return path.removesuffix(matched) + template
    return "/static" if path.startswith("/static/") else "none"


class _Stored(Collector):
    """What the database holds, read anew for each scrape."""

    def __init__(self, database: Database, clock: Callable[[], float], certificate: Callable[[], float | None]) -> None:
        self._database = database
        self._clock = clock
        self._certificate = certificate

    def describe(self) -> Iterable[Metric]:
        """Nothing is read when it is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        with self._database.read() as conn:
            found = gauges.read(conn)
        yield _by_state("bascule_runs", "Runs, by state", "state", found.runs)
        yield _by_state("bascule_steps", "Steps of runs that have not ended, by state", "state", found.steps)
        yield _plain("bascule_queue_depth", "Steps that are given to the queue or at work", found.queued)
        yield _by_state("bascule_proposals", "Proposals, by state", "state", found.proposals)
        yield _by_state("bascule_verdicts", "Vendors and jurisdictions, by their verdict", "verdict", found.verdicts)
        yield _by_state("bascule_notices", "Messages to people, by state", "state", found.notices)
        now = self._clock()
        ages = (
            ("bascule_audit_checkpoint_age_seconds", "Age of the newest signed audit checkpoint", found.checkpoint_at),
            ("bascule_estate_age_seconds", "Age of the newest accepted commit of the estate", found.estate_at),
        )
        for name, what, at in ages:
            if at is not None:
                yield _plain(name, what, max(0.0, now - at))
        ends = self._certificate()
        if ends is not None:
            yield _plain("bascule_certificate_ends_seconds", "Seconds until the own TLS certificate ends", ends - now)


def _by_state(name: str, what: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, what, labels=(label,))
    for state, count in sorted(counts.items()):
        family.add_metric((state,), count)
    return family


def _plain(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=value)
