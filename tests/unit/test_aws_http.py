"""The AWS drivers' mends, over HTTP: pages, errors, what is signed, what is repeated."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from providers.base import ProviderError, Secret
from providers.compute.aws import Ec2Driver
from providers.dns.route53 import Route53Driver
from providers.simulator.faults import FaultTable
from providers.simulator.http_service import HttpService, Request, Response
from providers.vendor_http import Deadline, Endpoint, RefusedError, provider_errors
from tests.loopback import LOOPBACK
from tests.vendor_stand_ins import listening

SLASH = "http://ec2.amazonaws.com/doc/2016-11-15/"
Made = Callable[[str, Deadline], Ec2Driver | Route53Driver]


@contextmanager
def answering(*answers: Response) -> Iterator[tuple[Endpoint, list[Request]]]:
    """A server that gives one answer after the other, the last one for ever, and the requests it got."""
    asked: list[Request] = []
    left = list(answers)

    def handle(request: Request) -> Response:
        asked.append(request)
        return left.pop(0) if len(left) > 1 else left[0]

    with listening(HttpService("aws", handle, FaultTable())) as url:
        yield Endpoint.at(url, None), asked


def ec2(endpoint: Endpoint, deadline: float = 20.0, secret: str = "s") -> Ec2Driver:
    return Ec2Driver(Secret("AKID"), Secret(secret), endpoint, "eu-west-3", Deadline(deadline, reach=LOOPBACK))


def route53(endpoint: Endpoint) -> Route53Driver:
    return Route53Driver(Secret("AKID"), Secret("s"), endpoint, "us-east-1", Deadline(20.0, reach=LOOPBACK))


def xml(text: str, status: int = 200) -> Response:
    return Response(status, text.encode(), {"Content-Type": "text/xml"})


def volumes(*ids: str, more: str = "", namespace: str = SLASH) -> Response:
    items = "".join(f"<item><volumeId>{one}</volumeId><size>1</size><status>available</status></item>" for one in ids)
    token = f"<nextToken>{more}</nextToken>" if more else ""
    return xml(f'<R xmlns="{namespace}"><volumeSet>{items}</volumeSet>{token}</R>')


@pytest.mark.parametrize("namespace", [SLASH, SLASH.rstrip("/"), "urn:another"])
def test_lists_are_read_to_their_end_whatever_their_namespace(namespace: str) -> None:
    pages = [volumes("vol-1", "vol-2", more="a+b/c=", namespace=namespace), volumes("vol-3", namespace=namespace)]
    with answering(*pages) as (endpoint, asked):
        assert [str(one.id) for one in ec2(endpoint).list_volumes()] == ["vol-1", "vol-2", "vol-3"]
    assert [request.query.get("NextToken") for request in asked] == [None, "a+b/c="]


def test_what_a_proxy_may_change_is_not_signed() -> None:
    with answering(volumes()) as (endpoint, asked):
        ec2(endpoint).list_volumes()
    authorization = next(value for key, value in asked[0].headers.items() if key.lower() == "authorization")
    signed = re.search("SignedHeaders=([^,]*)", authorization)
    assert signed is not None
    assert signed[1] == "host;x-amz-content-sha256;x-amz-date"
    assert "/eu-west-3/ec2/aws4_request" in authorization


def test_route_53_throttles_with_400_and_is_asked_again() -> None:
    busy = xml(
        "<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>", 400
    )
    zones = xml("<R><HostedZones></HostedZones><IsTruncated>false</IsTruncated></R>")
    with answering(busy, busy, zones) as (endpoint, asked):
        assert [*route53(endpoint).zones()] == []
        assert len(asked) == 3


def test_zones_and_records_are_read_to_their_end() -> None:
    def page(name: str, more: str) -> Response:
        zone = f"<HostedZone><Id>/hostedzone/{name}</Id><Name>{name}.</Name><Config/></HostedZone>"
        return xml(f'<R xmlns="urn:x"><HostedZones>{zone}</HostedZones>{more}</R>')

    first = page("a", "<IsTruncated>true</IsTruncated><NextMarker>m&amp;1</NextMarker>")
    with answering(first, page("b", "<IsTruncated>false</IsTruncated>")) as (endpoint, _):
        assert [zone.name for zone in route53(endpoint).zones()] == ["a", "b"]

    def records(value: str, more: str) -> Response:
        one = f"<Name>a.</Name><Type>A</Type><TTL>60</TTL><ResourceRecords><ResourceRecord><Value>{value}</Value>"
        one += "</ResourceRecord></ResourceRecords>"
        sets = f"<ResourceRecordSets><ResourceRecordSet>{one}</ResourceRecordSet></ResourceRecordSets>"
        return xml(f"<R>{sets}{more}</R>")

    next_one = "<NextRecordName>a.</NextRecordName><NextRecordType>A</NextRecordType>"
    next_one += "<NextRecordIdentifier>second</NextRecordIdentifier><IsTruncated>true</IsTruncated>"
    with answering(records("192.0.2.1", next_one), records("192.0.2.2", "")) as (endpoint, asked):
        found = [one.values for one in route53(endpoint).record_sets("Z1")]
        assert found == [("192.0.2.1",), ("192.0.2.2",)]
        assert "second" in str(asked[1].query)


@pytest.mark.parametrize(
    ("answer", "permanent", "said"),
    [
        (xml("<R><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors></R>", 403),
         True, "refused the credential (403: UnauthorizedOperation: no)"),
        (xml("<R><Errors><Error><Code>RequestLimitExceeded</Code><Message>slow</Message></Error></Errors></R>", 503),
         False, "not able to answer now (429: RequestLimitExceeded: slow)"),
        (Response(403, b"<html>blocked<br></html>"), True, "refused the credential (403"),
        (Response(403, b""), True, "refused the credential (403"),
        (Response(302, b"", {"Location": "http://127.0.0.1:9/"}), True, "refused the request (302"),
        (Response(200, b"<html>maintenance"), False, "gave an answer that is not one of its API"),
    ],
)  # fmt: skip
def test_refusals_say_what_happened(answer: Response, permanent: bool, said: str) -> None:
    with answering(answer) as (endpoint, _):
        driver = ec2(endpoint, deadline=2.0)
        with pytest.raises(ProviderError) as caught, provider_errors(driver.connection, "EC2"):
            driver.list_volumes()
    assert caught.value.permanent is permanent
    assert said in caught.value.message


def test_texts_without_a_charset_are_utf_8() -> None:
    tag = "<tagSet><item><key>équipe</key><value>réseau</value></item></tagSet>"
    item = f"<item><volumeId>v</volumeId><size>1</size><status>in-use</status>{tag}</item>"
    with answering(xml(f'<R xmlns="{SLASH}"><volumeSet>{item}</volumeSet></R>')) as (endpoint, _):
        (volume,) = ec2(endpoint).list_volumes()
    assert (volume.extra or {})["tags"] == {"équipe": "réseau"}


def test_a_volume_may_hang_on_several_servers() -> None:
    attached = "".join(f"<item><instanceId>i-{n}</instanceId><device>/dev/sdf</device></item>" for n in (1, 2))
    item = "<item><volumeId>v</volumeId><size>1</size><status>in-use</status>"
    item += f"<attachmentSet>{attached}</attachmentSet></item>"
    with answering(xml(f'<R xmlns="{SLASH}"><volumeSet>{item}</volumeSet></R>')) as (endpoint, _):
        (volume,) = ec2(endpoint).list_volumes()
    assert (volume.extra or {})["attached_to"] == ["i-1", "i-2"]


def test_all_addresses_of_a_server_are_seen() -> None:
    public = "<association><publicIp>192.0.2.{0}</publicIp></association>"
    one = f"<item><privateIpAddress>10.0.0.{{0}}</privateIpAddress>{public}</item>"
    private = one.format(1) + one.format(2)
    ipv6 = "<ipv6AddressesSet><item><ipv6Address>2001:db8::1</ipv6Address></item></ipv6AddressesSet>"
    interface = f"<item><privateIpAddressesSet>{private}</privateIpAddressesSet>{ipv6}</item>"
    instance = "<instanceId>i-1</instanceId><instanceState><name>running</name></instanceState>"
    instance += "<ipAddress>192.0.2.1</ipAddress>"
    instance += f"<privateIpAddress>10.0.0.1</privateIpAddress><networkInterfaceSet>{interface}</networkInterfaceSet>"
    body = f"<reservationSet><item><instancesSet><item>{instance}</item></instancesSet></item></reservationSet>"
    with answering(xml(f'<R xmlns="{SLASH}">{body}</R>')) as (endpoint, _):
        (node,) = ec2(endpoint).list_nodes()
    assert node.public_ips == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
    assert node.private_ips == ["10.0.0.1", "10.0.0.2"]


def test_an_error_of_the_vendor_keeps_its_own_word() -> None:
    refused = xml("<ErrorResponse><Error><Code>AccessDenied</Code><Message>x</Message></Error></ErrorResponse>", 403)
    with answering(refused) as (endpoint, _), pytest.raises(RefusedError) as caught:
        [*route53(endpoint).zones()]
    assert caught.value.kind == "AccessDenied"
