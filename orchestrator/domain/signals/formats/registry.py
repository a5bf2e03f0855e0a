"""Which module reads which format: one line each."""

from collections.abc import Callable, Mapping

from orchestrator.domain.signals.alert import Reading
from orchestrator.domain.signals.formats import (
    alertmanager,
    envelopes,
    generic,
    macros,
    observations,
    uptime_kuma,
    zabbix,
)
from orchestrator.domain.signals.source import Format

READERS: Mapping[Format, Callable[[Mapping[str, str], bytes], Reading]] = {
    "alertmanager": alertmanager.read,
    "grafana": alertmanager.read,
    "zabbix": zabbix.read,
    "uptime-kuma": uptime_kuma.read,
    "nagios": macros.read,
    "checkmk": macros.read,
    "generic": generic.read,
    "cloudevents": envelopes.read_cloudevents,
    "standard-webhooks": envelopes.read_standard_webhooks,
    "observations": observations.read,
}
"""Each is given the headers, by lower-case name, and the raw body. Raises Unfit."""

IDENTICAL_IS_THE_SAME: frozenset[Format] = frozenset({"alertmanager", "grafana", "zabbix", "uptime-kuma"})
"""Formats whose bodies hold the time of the news: the same bytes twice are the same delivery twice."""
