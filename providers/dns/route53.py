"""Amazon Route 53's REST API (2013-04-01) for reading only: hosted zones and all their record sets.

Libcloud's own driver speaks the API of 2012 with a signature of its time, loses
aliases, and loses or repeats sets where a name spans two pages; only its
connection is used here. Facts: Route 53 API Reference, and "DNS domain name
format" of its Developer Guide (names and texts escape a byte as `\\ooo`, octal).
"""

import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import Element

from libcloud.common.base import BaseDriver

from providers.aws_http import AwsConnection, text
from providers.base import Secret
from providers.inventory import RecordSet
from providers.vendor_http import Deadline, Endpoint

ROOT = "/2013-04-01"
PAGE = "300"
"""The most record sets that one page holds."""


@dataclass(frozen=True, slots=True)
class HostedZone:
    """A zone as the list of zones shows it; `name` without the final dot."""

    id: str
    name: str
    private: bool
    comment: str
    record_sets: int


class Route53Connection(AwsConnection):
    service_name = "route53"

    def add_default_params(self, params: dict[str, Any]) -> dict[str, Any]:
        """None: the version stands in the path."""
        return params


class Route53Driver(BaseDriver):
    """One account's zones. Raises RefusedError and requests' exceptions."""

    name = "Amazon Route 53"
    connectionCls = Route53Connection  # noqa: N815 (libcloud's name)
    connection: Any

    def __init__(self, access_key: Secret, secret_key: Secret, endpoint: Endpoint, region: str, deadline: Deadline):
        self.endpoint = endpoint
        self.region_name = region
        self.deadline = deadline
        super().__init__(  # type: ignore[no-untyped-call]
            key=access_key.reveal(),
            secret=secret_key.reveal(),
            secure=endpoint.secure,
            host=endpoint.host,
            port=endpoint.port,
        )

    def zones(self) -> Iterator[HostedZone]:
        """All hosted zones, public and private."""
        more: dict[str, str] = {}
        while True:
            answer = self.connection.request(f"{ROOT}/hostedzone", params={"maxitems": "100", **more}).object
            for element in answer.iterfind("{*}HostedZones/{*}HostedZone"):
                yield _zone(element)
            marker = text(answer, "{*}NextMarker")
            if text(answer, "{*}IsTruncated") != "true" or not marker:
                return
            more = {"marker": marker}

    def record_sets(self, zone_id: str) -> Iterator[RecordSet]:
        """All record sets of a zone, in the vendor's order."""
        path = f"{ROOT}/hostedzone/{quote(zone_id, safe='')}/rrset"
        more: dict[str, str] = {}
        while True:
            answer = self.connection.request(path, params={"maxitems": PAGE, **more}).object
            for element in answer.iterfind("{*}ResourceRecordSets/{*}ResourceRecordSet"):
                yield _record_set(element)
            name = text(answer, "{*}NextRecordName")
            if text(answer, "{*}IsTruncated") != "true" or not name:
                return
            more = {"name": name, "type": text(answer, "{*}NextRecordType")}
            if identifier := text(answer, "{*}NextRecordIdentifier"):
                more["identifier"] = identifier


def _zone(element: Element) -> HostedZone:
    return HostedZone(
        id=text(element, "{*}Id").removeprefix("/hostedzone/"),
        name=decimal_escapes(text(element, "{*}Name")).rstrip("."),
        private=text(element, "{*}Config/{*}PrivateZone") == "true",
        comment=text(element, "{*}Config/{*}Comment"),
        record_sets=int(text(element, "{*}ResourceRecordSetCount") or 0),
    )


def _record_set(element: Element) -> RecordSet:
    ttl = text(element, "{*}TTL")
    values = element.iterfind("{*}ResourceRecords/{*}ResourceRecord/{*}Value")
    return RecordSet(
        name=decimal_escapes(text(element, "{*}Name")),
        type=text(element, "{*}Type"),
        ttl=int(ttl) if ttl else None,
        values=tuple(decimal_escapes(one.text or "") for one in values),
        remark="; ".join(_remarks(element)),
    )


_POLICIES: Mapping[str, str] = {
    "Weight": "weighted {}",
    "Region": "for region {} (latency)",
    "Failover": "failover {}",
    "GeoLocation/{*}CountryCode": "for country {}",
    "GeoLocation/{*}ContinentCode": "for continent {}",
    "GeoLocation/{*}SubdivisionCode": "for subdivision {}",
    "GeoProximityLocation/{*}AWSRegion": "near region {}",
    "CidrRoutingConfig/{*}LocationName": "for networks {}",
    "MultiValueAnswer": "multivalue answer",
    "TrafficPolicyInstanceId": "made by traffic policy {}",
}
"""Where a routing policy shows itself, and how it reads."""


def _remarks(element: Element) -> Iterator[str]:
    """Why this is no plain record set."""
    target = element.find("{*}AliasTarget")
    if target is not None:
        checked = ", with its health" if text(target, "{*}EvaluateTargetHealth") == "true" else ""
        name, zone = decimal_escapes(text(target, "{*}DNSName")), text(target, "{*}HostedZoneId")
        yield f"alias to {name} (zone {zone}{checked})"
    for path, words in _POLICIES.items():
        if found := text(element, "{*}" + path):
            yield words.format(found)
    if identifier := text(element, "{*}SetIdentifier"):
        yield f"one of several, called {identifier}"
    if check := text(element, "{*}HealthCheckId"):
        yield f"answered while health check {check} passes"


_PLAIN = frozenset(f"{string.ascii_letters}{string.digits}*-_/")
"""What means itself in a zone file, wherever it stands."""
_ESCAPE = re.compile(r"\\(?:([0-3][0-7]{2})|(.))", re.DOTALL)


def decimal_escapes(given: str) -> str:
    r"""Route 53's octal escapes as zone files have them: `\052` becomes `*`, `\344` becomes `\228` (RFC 1035 §5.1)."""

    def written(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        sign = chr(int(match[1], 8))
        return sign if sign in _PLAIN else f"\\{ord(sign):03d}"

    return _ESCAPE.sub(written, given)
