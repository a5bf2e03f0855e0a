"""An AWS account for tests: things made in moto over its own APIs, and the scope's block that leads to it.

moto tells services and regions apart by the scope of a signature, and checks
none, so these requests carry a scope and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, fromstring
from xml.sax.saxutils import escape

import httpx

from providers.base import ProviderError, Secret

REGION = "eu-west-3"
IMAGE = "ami-1e749f67"
IMAGE_NAME = "ubuntu/images/hvm-ssd/ubuntu-trusty-14.04-amd64-server-20170727"
"""One of those that moto knows from its start."""
SECRETS = {"secret://aws-access": "AKIDBASCULETEST", "secret://aws-secret": "wJalr/secret+canary/EXAMPLE"}

RRSET = "https://route53.amazonaws.com/doc/2013-04-01/"


@dataclass
class AwsAccount:
    """The account behind a moto server's URL."""

    url: str
    region: str = REGION
    _http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self._http = httpx.Client(base_url=self.url, trust_env=False, timeout=60)

    @property
    def block(self) -> dict[str, str]:
        """`sources.NAME` of a scope."""
        return {
            "driver": "aws",
            "region": self.region,
            "ec2_url": self.url,
            "s3_url": self.url,
            "route53_url": self.url,
            "access_key": "secret://aws-access",
            "secret_key": "secret://aws-secret",
        }

    def ec2(self, action: str, **params: str) -> Element:
        """One call of the Query API; dots of parameter names are written as double underscores."""
        form = {"Action": action, "Version": "2016-11-15"}
        form |= {name.replace("__", "."): value for name, value in params.items()}
        answer = self._http.post("/", data=form, headers=self.headers("ec2"))
        assert answer.is_success, answer.text
        return fromstring(answer.text)

    def run_server(self, name: str, **tags: str) -> str:
        """A server; its id."""
        tagged = {"Name": name, **tags}
        spec = {f"TagSpecification__1__Tag__{n}__{k}": v for n, (key, value) in enumerate(tagged.items(), 1)
                for k, v in (("Key", key), ("Value", value))}  # fmt: skip
        answer = self.ec2(
            "RunInstances", ImageId=IMAGE, InstanceType="t3.small", MinCount="1", MaxCount="1",
            TagSpecification__1__ResourceType="instance", **spec,
        )  # fmt: skip
        return answer.findtext(".//{*}instanceId") or ""

    def create_zone(self, name: str, *, private: bool = False) -> str:
        """A hosted zone; its id."""
        vpc = f"<VPC><VPCRegion>{self.region}</VPCRegion><VPCId>{self._vpc()}</VPCId></VPC>" if private else ""
        config = f"<HostedZoneConfig><PrivateZone>{str(private).lower()}</PrivateZone></HostedZoneConfig>"
        body = f'<CreateHostedZoneRequest xmlns="{RRSET}"><Name>{name}</Name>{vpc}'
        body += f"<CallerReference>{name}{private}</CallerReference>{config}</CreateHostedZoneRequest>"
        answer = self._route53("/2013-04-01/hostedzone", body)
        return (answer.findtext(".//{*}HostedZone/{*}Id") or "").removeprefix("/hostedzone/")

    def create_records(self, zone: str, sets: Sequence[Mapping[str, object]], action: str = "CREATE") -> None:
        """Record sets: `name`, `type`, and `ttl` with `values`, or `more`, XML within the set."""
        for start in range(0, len(sets), 100):
            changes = "".join(_change(one, action) for one in sets[start : start + 100])
            body = f'<ChangeResourceRecordSetsRequest xmlns="{RRSET}"><ChangeBatch><Changes>{changes}'
            body += "</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
            self._route53(f"/2013-04-01/hostedzone/{zone}/rrset/", body)

    def create_bucket(self, name: str, region: str = "") -> None:
        where = region or self.region
        body = (
            f"<CreateBucketConfiguration><LocationConstraint>{where}</LocationConstraint></CreateBucketConfiguration>"
        )
        self.s3("PUT", f"/{name}", body.encode(), region=where)

    def s3(self, method: str, path: str, body: bytes = b"", region: str = "") -> None:
        answer = self._http.request(method, path, content=body, headers=self.headers("s3", region))
        assert answer.is_success, answer.text

    def _route53(self, path: str, body: str) -> Element:
        answer = self._http.post(path, content=body.encode(), headers=self.headers("route53"))
        assert answer.is_success, answer.text
        return fromstring(answer.text)

    def _vpc(self) -> str:
        return self.ec2("DescribeVpcs").findtext(".//{*}vpcId") or ""

    def headers(self, service: str, region: str = "") -> dict[str, str]:
        scope = f"AKIDTEST/20261101/{region or self.region}/{service}/aws4_request"
        return {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}


def _change(one: Mapping[str, object], action: str) -> str:
    values = one.get("values", ())
    assert isinstance(values, Sequence)
    records = "".join(f"<ResourceRecord><Value>{escape(str(value))}</Value></ResourceRecord>" for value in values)
    plain = f"<TTL>{one.get('ttl')}</TTL><ResourceRecords>{records}</ResourceRecords>" if values else ""
    inner = f"<Name>{escape(str(one['name']))}</Name><Type>{one['type']}</Type>{one.get('more', '')}{plain}"
    return f"<Change><Action>{action}</Action><ResourceRecordSet>{inner}</ResourceRecordSet></Change>"


def reveal(reference: str) -> Secret:
    """The secrets of these tests."""
    if reference not in SECRETS:
        raise ProviderError(f"There is no {reference}.", permanent=True)
    return Secret(SECRETS[reference])
