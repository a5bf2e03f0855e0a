"""What an AWS access key may do: AWS's answers, word by word, over HTTP; what is asked is asked as a dry run."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from providers.base import Context, Secret
from providers.examiners import examine
from providers.rights import Examination, State, Subject
from providers.simulator.faults import FaultTable
from providers.simulator.http_service import HttpService, Request, Response
from tests.loopback import within
from tests.vendor_stand_ins import listening

XML = {"Content-Type": "text/xml"}
NO_BUCKETS = (
    b'<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Buckets/></ListAllMyBucketsResult>'
)
NO_ZONES = (
    b'<ListHostedZonesResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><HostedZones/>'
    b"<IsTruncated>false</IsTruncated><MaxItems>100</MaxItems></ListHostedZonesResponse>"
)
READS = {"DescribeImages", "DescribeInstances", "DescribeSecurityGroups", "DescribeVolumes"}


def refusal(status: int, code: str) -> Response:
    """As EC2 words it (its API reference, "Error codes")."""
    body = f"<Response><Errors><Error><Code>{code}</Code><Message>m</Message></Error></Errors></Response>"
    return Response(status, body.encode(), XML)


@contextmanager
def aws(allowed: set[str], refused: str = "UnauthorizedOperation") -> Iterator[tuple[str, list[str]]]:
    """An endpoint for all three APIs, by the actions that a key may call; its address, and what was asked."""
    asked: list[str] = []

    def handle(request: Request) -> Response:
        fields: Mapping[str, list[str]] = parse_qs(request.raw_query)
        action = fields.get("Action", ["ListHostedZones" if "hostedzone" in request.path else "ListAllMyBuckets"])[0]
        asked.append(action)
        if action.startswith("List"):
            body = NO_ZONES if action == "ListHostedZones" else NO_BUCKETS
            return Response(200, body, XML) if action in allowed else refusal(403, "AccessDenied")
        assert fields["DryRun"] == ["true"]
        return refusal(412, "DryRunOperation") if action in allowed else refusal(403, refused)

    with listening(HttpService("aws", handle, FaultTable())) as url:
        yield url, asked


def examined(tmp_path: Path, url: str) -> Examination:
    block = {"driver": "aws", "region": "eu-west-3", "access_key": "secret://a", "secret_key": "secret://b"}
    block |= {f"{service}_url": url for service in ("ec2", "s3", "route53")}
    secrets = {"secret://a": "AKIDOFTHISTEST", "secret://b": "secret-of-this-test"}
    context = Context(within({"sources": {"aws": block}}), lambda name: Secret(secrets[name]), tmp_path, tmp_path, 10.0)
    found = examine(context, Subject("sources", "aws", "aws"))
    assert not any(secret in str(found.as_json()) for secret in secrets.values())
    return found


def names(found: Examination, state: State) -> list[str]:
    return [right.name for right in found.rights if right.state is state]


def test_a_key_that_may_read(tmp_path: Path) -> None:
    with aws({*READS, "ListAllMyBuckets", "ListHostedZones"}) as (url, _):
        found = examined(tmp_path, url)
    assert found.ok, found
    assert len(names(found, State.HELD)) == len(found.rights) == 6


def test_a_key_that_lacks_rights(tmp_path: Path) -> None:
    with aws(READS - {"DescribeVolumes"}) as (url, _):
        found = examined(tmp_path, url)
    assert not found.ok
    assert names(found, State.MISSING) == ["ec2:DescribeVolumes", "s3:ListAllMyBuckets", "route53:ListHostedZones"]


def test_a_key_that_may_end_servers(tmp_path: Path) -> None:
    with aws({*READS, "ListAllMyBuckets", "ListHostedZones", "TerminateInstances"}) as (url, _):
        found = examined(tmp_path, url)
    assert found.ok
    assert names(found, State.NEEDLESS) == ["ec2:TerminateInstances"]


@pytest.mark.parametrize("code", ["AuthFailure", "InvalidClientTokenId", "SignatureDoesNotMatch"])
def test_a_key_that_is_wrong_is_tried_once(tmp_path: Path, code: str) -> None:
    with aws(set(), code) as (url, asked):
        found = examined(tmp_path, url)
    assert not found.ok
    assert "does not know the access key" in found.message
    assert len(asked) == 1
