"""A `dns.records` step over many zones in a process of its own, from the plan's values; see `dns_zones`.

It imports what the step needs and nothing else, and exits as octodns-sync does: 0 unless something broke.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from providers.base import Context, Presence, ProviderError, Secret, Tag
from providers.registry import provider_for
from providers.wants import Record, Records

TAG = Tag("bench", "cutover")
CHANGE = [
    Record(name="@", type="MX", ttl=60, values=["10 mx.mailo.com."]),
    Record(name="@", type="TXT", ttl=60, values=["v=spf1 include:mailo.com ~all"]),
    Record(name="autodiscover", type="CNAME", ttl=60, values=["autodiscover.mailo.com."]),
]


def wish(zones: Sequence[str]) -> Records:
    return Records(zones=list(zones), records=CHANGE)


def context_of(address: str, api: int, api_key: str, zones: Sequence[str], directory: Path) -> Context:
    url = f"http://127.0.0.1:{api}"
    settings = {"driver": "powerdns", "url": url, "api_key": "secret://api", "servers": [address]}
    scope = {"networks": ["127.0.0.0/8"], "dns": {"zones": dict.fromkeys(zones, settings)}}
    return Context(scope, lambda _: Secret(api_key), directory / "workspace", directory, deadline=300.0)


def main(job: Path) -> None:
    """The look of the claim and the apply, each by a provider of its own as in the engine."""
    given = json.loads(job.read_text())
    zones = list(given["planned"]["zones"])
    address, api, api_key = given["server"]
    context = context_of(address, api, api_key, zones, job.parent)
    want = wish(zones)
    try:
        provider_for("dns.records", want, context).observe(want, TAG, None)
        done = provider_for("dns.records", want, context).apply(want, TAG, given["planned"], lambda _: None)
    except ProviderError as error:
        sys.stdout.write(error.message)
        return
    assert done.presence is Presence.OURS, done.message


if __name__ == "__main__":
    main(Path(sys.argv[1]))
