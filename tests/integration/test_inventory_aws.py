"""An AWS account, played by moto's server, read as a source: whole, right, and in spite of refusals."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.name
import dns.rdata
import dns.rdatatype
import dns.zone
import httpx
import pytest

from orchestrator.operations.inventory_export import export_inventory
from providers.base import Context, Secret
from providers.compute import aws as ec2
from providers.dns import route53
from providers.inventory import PARTS, Inventory, RecordSet, Zone, inventory_from_json
from providers.simulator.faults import FaultTable
from providers.simulator.http_service import HttpService, Request, Response
from providers.sources import aws_buckets
from providers.sources.aws import AwsSource
from tests.aws_account import IMAGE, IMAGE_NAME, REGION, SECRETS, AwsAccount, reveal
from tests.loopback import within
from tests.moto_server import Moto, running_moto
from tests.sampling import sampled
from tests.vendor_stand_ins import listening

POLICY = (Path(__file__).parents[2] / "docs/credentials.md").read_text().partition("## AWS as a source")[2]
"""What the documentation says of this credential."""
SOA = "ns-1.awsdns-01.org. hostmaster.example.org. 1 7200 900 1209600 86400"
NOWHERE = "http://127.0.0.1:9"
"""The discard port: nothing listens."""


@pytest.fixture
def account(moto: Moto) -> AwsAccount:
    return AwsAccount(moto.url)


def look(account: AwsAccount, secrets: dict[str, str] | None = None, deadline: float = 60.0, **more: str) -> Inventory:
    scope = within({"sources": {"aws": {**account.block, **more}}})
    told = reveal if secrets is None else lambda reference: Secret(secrets[reference])
    context = Context(scope, told, workspace=Path("/nonexistent"), estate=Path("/nonexistent"), deadline=deadline)
    return AwsSource(context, "live", "aws").look()


@pytest.mark.parametrize("many", sampled([50, 200], lambda many: many == 50))
def test_servers_of_several_pages_with_their_volumes_and_tags(
    account: AwsAccount, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(ec2, "PAGE", 15)
    made = {account.run_server(f"web-{n:03d}", role="front" if n % 2 else "back", équipe="réseau") for n in range(many)}
    gone = account.run_server("gone")
    account.ec2("TerminateInstances", InstanceId__1=gone)
    stopped = sorted(made)[0]
    account.ec2("StopInstances", InstanceId__1=stopped)
    loose = account.ec2("CreateVolume", AvailabilityZone=f"{REGION}a", Size="120", Encrypted="true", VolumeType="gp3")

    found = look(account)
    assert found.troubles == ()
    assert found.complete
    assert found.servers is not None
    assert found.volumes is not None
    assert {server.id for server in found.servers} == made
    assert [server.name for server in found.servers] == [f"web-{n:03d}" for n in range(many)]
    for n, server in enumerate(found.servers):
        assert server.tags == {"Name": f"web-{n:03d}", "role": "front" if n % 2 else "back", "équipe": "réseau"}
        assert (server.type, server.image, server.image_name) == ("t3.small", IMAGE, IMAGE_NAME)
        assert server.location.startswith(REGION)
        assert server.public_addresses or server.id == stopped
        assert server.private_addresses
        assert server.state == ("stopped" if server.id == stopped else "running")
    disks = {volume.id: volume for volume in found.volumes}
    for server in found.servers:
        assert [disks[volume].attached_to for volume in server.volumes] == [(server.id,)]
    extra = disks[loose.findtext("{*}volumeId") or ""]
    assert (extra.bytes, extra.type, extra.encrypted, extra.attached_to) == (120 * 1024**3, "gp3", True, ())


@pytest.mark.faults
def test_security_groups_with_networks_and_groups_in_one_rule(account: AwsAccount) -> None:
    group = account.ec2("CreateSecurityGroup", GroupName="web", GroupDescription="the front").findtext("{*}groupId")
    account.ec2(
        "AuthorizeSecurityGroupIngress", GroupId=group or "", IpPermissions__1__IpProtocol="tcp",
        IpPermissions__1__FromPort="8000", IpPermissions__1__ToPort="8080",
        IpPermissions__1__IpRanges__1__CidrIp="192.0.2.0/24", IpPermissions__1__IpRanges__2__CidrIp="198.51.100.0/24",
        IpPermissions__1__Ipv6Ranges__1__CidrIpv6="2001:db8::/32", IpPermissions__1__Groups__1__GroupId=group or "",
    )  # fmt: skip
    web = next(one for one in look(account).security_groups or () if one.name == "web")
    assert web.description == "the front"
    (rule,) = [rule for rule in web.rules if rule.direction == "in"]
    assert (rule.protocol, rule.ports) == ("tcp", "8000-8080")
    assert set(rule.peers) == {"192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32", group}


def record(name: str, kind: str, *values: str, ttl: int = 300, more: str = "") -> dict[str, Any]:
    """A record set below example.org, or (`@`) at its top."""
    full = "example.org" if name == "@" else f"{name}.example.org"
    return {"name": full, "type": kind, "ttl": ttl, "values": values, "more": more}


RECORDS = [
    *(record(f"host-{n}", "A", f"192.0.2.{n % 250 + 1}", ttl=60 + n) for n in range(280)),
    record("@", "MX", "10 mx1.example.net", "20 mx2.example.net.", ttl=3600),
    record("@", "TXT", '"v=spf1 include:example.net -all"', r'"say \"hi\"; ok"'),
    record("@", "CAA", '0 issue "letsencrypt.org"'),
    record(r"\052", "CNAME", "www.example.org"),
    record("www", "AAAA", "2001:db8::1", "2001:db8::2"),
    record("_sip._tcp", "SRV", "1 10 5269 xmpp.example.org."),
    record("sel._domainkey", "TXT", f'"v=DKIM1; k=rsa; p={"A" * 200}" "{"B" * 180}"'),
    record("accent", "TXT", r'"caf\303\251"'),
    record("sub", "NS", "ns1.example.net", "ns2.example.net"),
    record("old", "SPF", '"v=spf1 -all"'),
    record("call", "NAPTR", '100 10 "u" "E2U+sip" "!^.*$!sip:a@example.org!" .'),
]
ALIAS = """<AliasTarget><HostedZoneId>Z2FDTNDATAQYW2</HostedZoneId><DNSName>d1.cloudfront.net.</DNSName>
<EvaluateTargetHealth>true</EvaluateTargetHealth></AliasTarget>"""
UNPLAIN = [
    record("cdn", "A", more=ALIAS),
    record("pair", "A", "192.0.2.1", more="<SetIdentifier>a</SetIdentifier><Weight>10</Weight>"),
    record("pair", "A", "192.0.2.2", more="<SetIdentifier>b</SetIdentifier><Weight>90</Weight>"),
]


@pytest.fixture
def zone_id(account: AwsAccount) -> str:
    """A zone of 300 records and more; moto's own SOA is no SOA, so it is replaced by one."""
    zone = account.create_zone("example.org")
    account.create_records(zone, [{"name": "example.org", "type": "SOA", "ttl": 900, "values": [SOA]}], "UPSERT")
    account.create_records(zone, [*RECORDS, *UNPLAIN])
    return zone


def told(zone: Zone) -> set[tuple[str, str, int, str]]:
    """Every plain record of the account as dnspython understands it: name, type, TTL and data."""
    found = set()
    for one in zone.records or ():
        for value in () if one.remark else one.values:
            data = dns.rdata.from_text("IN", one.type, value, dns.name.root, relativize=False)
            found.add((dns.name.from_text(one.name).to_text(), one.type, one.ttl or 0, data.to_text()))
    return found


def written(file: Path) -> set[tuple[str, str, int, str]]:
    zone = dns.zone.from_file(str(file), relativize=False)
    return {(n.to_text(), dns.rdatatype.to_text(d.rdtype), ttl, d.to_text()) for n, ttl, d in zone.iterate_rdatas()}


@pytest.mark.faults
def test_a_zone_of_three_hundred_records_is_exported_whole(
    account: AwsAccount, zone_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route53, "PAGE", "70")
    found = look(account)
    assert found.troubles == ()
    (zone,) = found.zones or ()
    assert (zone.id, zone.name, zone.private) == (zone_id, "example.org", False)
    assert len(zone.records or ()) == len(RECORDS) + len(UNPLAIN) + 2 == zone.expected

    file = export_inventory(found, tmp_path) / "zones/example.org.zone"
    records = written(file)
    assert records == told(zone)
    assert len(records) >= 300
    assert ("accent.example.org.", "TXT", 300, r'"caf\195\169"') in records
    assert ("*.example.org.", "CNAME", 300, "www.example.org.") in records
    assert not [record for record in records if record[0].startswith(("cdn.", "pair."))]
    text = file.read_text()
    assert (
        "; NOT EXPORTED: cdn.example.org. A, alias to d1.cloudfront.net. (zone Z2FDTNDATAQYW2, with its health)" in text
    )
    assert "; NOT EXPORTED: pair.example.org. A, weighted 90; one of several, called b: 192.0.2.2" in text


def test_the_yaml_is_what_octodns_reads(account: AwsAccount, zone_id: str, tmp_path: Path) -> None:
    from octodns.provider.yaml import YamlProvider
    from octodns.zone import Zone as OctoZone

    folder = export_inventory(look(account), tmp_path)
    zone = OctoZone("example.org.", [])
    YamlProvider("export", str(folder / "octodns"), escaped_semicolons=True).populate(zone)
    found = {(record.name, record._type): record for record in zone.records}
    left = re.findall(r"# NOT EXPORTED: (\S+) (\S+),", (folder / "octodns/example.org.yaml").read_text())
    assert set(left) == {("cdn.example.org.", "A"), ("pair.example.org.", "A"), ("accent.example.org.", "TXT")}
    assert len(found) == len(RECORDS) - 1
    assert [value.to_rdata_text() for value in found["", "MX"].values] == ["10 mx1.example.net.", "20 mx2.example.net."]
    assert found["sel._domainkey", "TXT"].values == [rf"v=DKIM1\; k=rsa\; p={'A' * 200}{'B' * 180}"]


def test_zones_of_one_name_stay_apart(account: AwsAccount, tmp_path: Path) -> None:
    public, private = account.create_zone("example.org"), account.create_zone("example.org", private=True)
    found = look(account)
    assert {(zone.id, zone.private) for zone in found.zones or ()} == {(public, False), (private, True)}
    files = {path.name for path in (export_inventory(found, tmp_path) / "zones").iterdir()}
    assert files == {f"example.org.{public}.zone", f"example.org.{private}.zone"}


def test_buckets(account: AwsAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_buckets, "PAGE", "4")
    account.create_bucket("documents")
    account.create_bucket("far-away", "us-west-2")
    account.create_bucket("secret-things")
    for n in range(11):
        account.s3("PUT", f"/documents/dossier%20{n}/%C3%A9tat", b"x" * 100)
    versioning = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    account.s3("PUT", "/documents?versioning", versioning)
    rule = (
        "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault>"
    )
    encryption = f"<ServerSideEncryptionConfiguration><Rule>{rule}</Rule></ServerSideEncryptionConfiguration>"
    account.s3("PUT", "/secret-things?encryption", encryption.encode())

    found = look(account)
    assert found.troubles == ()
    documents, far, secret = found.buckets or ()
    assert (documents.name, documents.objects, documents.bytes, documents.counted) == ("documents", 11, 1100, True)
    assert (documents.location, documents.versioning, documents.encryption) == (REGION, "on", "none")
    assert (far.location, far.objects, far.versioning) == ("us-west-2", 0, "off")
    assert secret.encryption == "KMS"


@pytest.mark.faults
def test_a_count_without_the_time_for_it_says_so(account: AwsAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_buckets, "PAGE", "1")
    monkeypatch.setattr(aws_buckets, "SHARE", 0.0)
    account.create_bucket("documents")
    for n in range(3):
        account.s3("PUT", f"/documents/{n}", b"12")
    (bucket,) = look(account).buckets or ()
    assert (bucket.objects, bucket.bytes, bucket.counted) == (1, 2, False)


def refused(_: Request) -> Response:
    told = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not yours</Message></Error></ErrorResponse>"
    return Response(403, told.encode(), {"Content-Type": "text/xml"})


def test_one_api_that_is_refused_and_one_that_is_gone_leave_the_others(account: AwsAccount) -> None:
    account.run_server("web")
    account.create_bucket("documents")
    with listening(HttpService("route53", refused, FaultTable())) as url:
        found = look(account, route53_url=url, s3_url=NOWHERE, deadline=10)
    assert (found.zones, found.buckets) == (None, None)
    assert [server.name for server in found.servers or ()] == ["web"]
    assert len(found.volumes or ()) == 1
    assert set(found.read_at) == {"servers", "volumes", "security_groups"}
    said = {trouble.part: trouble.message for trouble in found.troubles}
    assert said["zones"].startswith("Route 53 at 127.0.0.1 refused the credential (403: AccessDenied: Not yours)")
    assert said["buckets"].startswith("S3 at 127.0.0.1 cannot be reached")


def test_an_inventory_survives_json(account: AwsAccount, zone_id: str) -> None:
    account.run_server("web")
    found = look(account)
    assert inventory_from_json(json.loads(json.dumps(found.as_json()))) == found


def policy() -> dict[str, Any]:
    """The policy that the documentation tells people to paste."""
    found: dict[str, Any] = json.loads(POLICY.partition("```json\n")[2].partition("```")[0])
    return found


class Iam:
    """A server that checks signatures and policies, and the user whose key it gave out."""

    def __init__(self, moto: Moto) -> None:
        self.account = AwsAccount(moto.url)
        self._url = moto.url
        self._call(Action="CreateUser", UserName="bascule")
        key = self._call(Action="CreateAccessKey", UserName="bascule")
        access, secret = (re.search(f"<{name}>(.*?)<", key) for name in ("AccessKeyId", "SecretAccessKey"))
        assert access is not None
        assert secret is not None
        self.secrets = {"secret://aws-access": access[1], "secret://aws-secret": secret[1]}

    def allow(self, actions: list[str]) -> None:
        self._checking(False)
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._call(Action="PutUserPolicy", UserName="bascule", PolicyName="p", PolicyDocument=document)
        self._checking(True)

    def _checking(self, on: bool) -> None:
        self._post("/moto-api/reset-auth", content="0" if on else "inf")

    def _call(self, **form: str) -> str:
        headers = self.account.headers("iam", "us-east-1")
        return self._post("/", data={"Version": "2010-05-08", **form}, headers=headers)

    def _post(self, path: str, **more: Any) -> str:
        with httpx.Client(base_url=self._url, trust_env=False, timeout=30) as client:
            return client.post(path, **more).raise_for_status().text


@contextmanager
def _iam(folder: Path) -> Iterator[Iam]:
    with running_moto(folder) as moto:
        iam = Iam(moto)
        iam.account.run_server("web")
        iam.account.create_zone("example.org")
        iam.account.create_bucket("documents")
        yield iam


@pytest.fixture(scope="module")
def iam(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iam]:
    with _iam(tmp_path_factory.mktemp("iam")) as made:
        yield made


ACTIONS: list[str] = policy()["Statement"][0]["Action"]


def test_the_documented_policy_is_enough_and_signatures_are_right(iam: Iam) -> None:
    iam.allow(ACTIONS)
    assert look(iam.account, iam.secrets).troubles == ()
    wrong = look(iam.account, {**iam.secrets, "secret://aws-secret": "wrong"})
    assert {trouble.part for trouble in wrong.troubles} == set(PARTS)
    assert wrong.read_at == {}


UNCHECKED = {"s3:GetEncryptionConfiguration"}
"""moto tells everybody how a bucket encrypts."""


NEEDED = sorted(set(ACTIONS) - UNCHECKED)


@pytest.mark.parametrize("action", sampled(NEEDED, lambda action: action in NEEDED[::3]))
def test_nothing_in_the_documented_policy_is_superfluous(iam: Iam, action: str) -> None:
    iam.allow([one for one in ACTIONS if one != action])
    found = look(iam.account, iam.secrets)
    assert len({trouble.part for trouble in found.troubles}) == 1
    assert len(found.read_at) >= len(PARTS) - 1


def test_secrets_are_in_nothing_that_is_handed_on(account: AwsAccount, tmp_path: Path) -> None:
    account.create_zone("example.org")
    found = look(account, s3_url=NOWHERE, deadline=5)
    folder = export_inventory(found, tmp_path)
    text = json.dumps(found.as_json()) + repr(found) + "".join(p.read_text() for p in folder.rglob("*") if p.is_file())
    assert not [secret for secret in SECRETS.values() if secret in text]


def test_record_sets_of_the_account_are_as_they_were_made(account: AwsAccount, zone_id: str) -> None:
    (zone,) = look(account).zones or ()
    found = {(one.name, one.type, one.ttl): one for one in zone.records or ()}
    assert found["www.example.org.", "AAAA", 300] == RecordSet(
        "www.example.org.", "AAAA", 300, ("2001:db8::1", "2001:db8::2")
    )
