"""A plan with something of every kind in it, as it would be kept: for pages, which need no providers to show it."""

from collections.abc import Iterator
from typing import Any

from orchestrator.domain.limits import BlastRadius, Excess, Footprint, PricedServer, RunLimits
from orchestrator.domain.plan import Placement, Plan, PlannedStep, seal, with_placements, with_seen
from orchestrator.domain.sovereignty import Lifted, Reason, Verdict
from orchestrator.store import runs
from orchestrator.store.database import Database

ZONE = "valbourg.example"


def rich_plan(commit: str, now: float, scope: str = "live", mode: str = "live", more: int = 0) -> Plan:
    """`more`: further steps of the phone, each of which changes a record set. `now`: when it was looked at."""
    steps = [PlannedStep.model_validate(step) for step in [*_steps(), *_more(more)]]
    plan = seal(
        Plan(
            commit=commit,
            scope=scope,
            mode=mode,
            direction="failover",
            services=("desk", "phone"),
            steps=tuple(steps),
            sovereignty=(_verdict(),),
            blast_radius=_radius(),
        )
    )
    return with_placements(with_seen(plan, _seen(plan, now)), _placed())


def keep(database: Database, plan: Plan, at: float) -> str:
    """The plan in the database; its digest."""
    with database.write() as conn:
        runs.save_plan(conn, plan.digest, plan.commit, at, plan.model_dump(mode="json", by_alias=True))
    return plan.digest


def _steps() -> Iterator[dict[str, Any]]:
    desk = {"service": "desk", "runbook": "desk-failover"}
    server = {"provider": ["scaleway", "outscale"], "name": "desk-1", "image": "debian_bookworm"}
    copy = {"from": {"store": "source", "bucket": "desk"}, "to": {"store": "target", "bucket": "desk"}}
    yield {"id": "desk-failover/copy", "uses": "storage.copy", "with": copy, "rescue": True, **desk}
    yield {
        "id": "desk-failover/server",
        "uses": "compute.server",
        "with": {**server, "resources": {"cpu": 4, "memory": 8}},
        "title": {"fr": "Le serveur du guichet", "en": "The desk's server"},
        "needs": ["desk-failover/copy"],
        **desk,
    }
    spare = {"provider": "ovhcloud", "name": "desk-2", "size": "b3-16", "image": "debian_bookworm"}
    yield {"id": "desk-failover/spare", "uses": "compute.server", "with": spare, **desk}
    play = {"play": "desk.yaml", "hosts": {"desk-1": {}}}
    yield {
        "id": "desk-failover/configure", "uses": "ansible.play", "with": play,
        "needs": ["desk-failover/server"], **desk,
    }  # fmt: skip
    go = {"role": "approver", "count": 2, "instructions": "docs/sheet.md"}
    yield {
        "id": "desk-failover/go", "uses": "human.approval", "with": go, "needs": ["desk-failover/configure"],
        "title": {"fr": "Accord pour basculer", "en": "Go ahead"}, **desk,
    }  # fmt: skip
    ttl = {"zone": ZONE, "ttl": 60, "records": [{"name": "desk", "type": "A"}]}
    yield {"id": "desk-failover/shorten", "uses": "dns.ttl", "with": ttl, "needs": ["desk-failover/go"], **desk}
    records = [
        {"name": "desk", "type": "A", "ttl": 60, "values": ["${{ steps.server.outputs.address }}"]},
        {"name": "@", "type": "MX", "ttl": 300, "values": ["10 mx1.mailo.com.", "20 mx2.mailo.com."]},
        {"name": "old", "type": "CNAME", "state": "absent"},
        {"name": "www", "type": "A", "ttl": 300, "values": ["192.0.2.80"]},
    ]
    point = {"zone": ZONE, "records": records}
    yield {
        "id": "desk-failover/point", "uses": "dns.records", "with": point, "needs": ["desk-failover/shorten"],
        "title": {"fr": "Les noms changent", "en": "Names move"}, **desk,
    }  # fmt: skip
    tell = {"channel": "crisis", "title": {"fr": "Le guichet a bougé", "en": "The desk has moved"}}
    yield {"id": "desk-failover/tell", "uses": "notify.send", "with": tell, "needs": ["desk-failover/point"], **desk}
    rings = {"host": "127.0.0.1", "port": 5060}
    yield {
        "id": "phone-failover/rings", "uses": "probe.tcp", "with": rings, "needs": ["desk-failover/tell"],
        "service": "phone", "runbook": "phone-failover",
    }  # fmt: skip


def _more(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        record = {"name": f"ext-{number}", "type": "A", "ttl": 60, "values": [f"198.18.{number // 250}.{number % 250}"]}
        needs = [f"phone-failover/ext-{number - 1}" if number % 10 else "phone-failover/rings"]
        yield {
            "id": f"phone-failover/ext-{number}", "uses": "dns.records", "needs": needs,
            "with": {"zone": f"z{number}.example", "records": [record]},
            "service": "phone", "runbook": "phone-failover",
        }  # fmt: skip


def _seen(plan: Plan, now: float) -> dict[str, Any]:
    from orchestrator.domain.plan import Seen

    held = [
        {"name": "desk", "type": "A", "ttl": 3600, "values": ["203.0.113.10"]},
        {"name": "@", "type": "MX", "ttl": 3600, "values": ["0 valbourg.mail.protection.outlook.com."]},
        {"name": "old", "type": "CNAME", "ttl": 300, "values": ["desk.azurewebsites.net."]},
        {"name": "www", "type": "A", "ttl": 300, "values": ["192.0.2.80"]},
    ]
    found = {"to_copy": 1240, "bytes": 3_400_000_000, "same": 12, "bucket": "missing"}
    seen = {
        "desk-failover/copy": Seen(
            presence="absent", values=found, at=now - 7300, stale=True, message="403 from the source: key refused."
        ),
        "desk-failover/server": Seen(presence="absent", at=now - 60),
        "desk-failover/spare": Seen(presence="unreadable", message="No answer from api.ovh.test within 4 s."),
        "desk-failover/shorten": Seen(presence="absent", values={"records": held[:1]}, at=now - 60),
        "desk-failover/point": Seen(presence="absent", values={"records": held}, at=now - 60),
    }
    for step in plan.steps:
        if step.runbook == "phone-failover" and step.uses == "dns.records":
            name = step.with_["records"][0]["name"]
            was = {"records": [{"name": name, "type": "A", "ttl": 300, "values": ["192.0.2.1"]}]}
            seen[step.id] = Seen(presence="absent", values=was, at=now - 60)
    return seen


def _placed() -> dict[str, Placement]:
    return {
        "desk-failover/server": Placement(provider="scaleway", size="PLAY2-NANO", hourly=0.027),
        "desk-failover/spare": Placement(message="OVHcloud has no b3-16 in GRA11 now."),
    }


def _radius() -> BlastRadius:
    servers = (
        PricedServer(
            step="desk-failover/server", provider="scaleway", size="PLAY2-NANO", hourly=0.027, known_from="cloud"
        ),
        PricedServer(step="desk-failover/spare", provider="ovhcloud", size="b3-16"),
    )
    excess = Excess(
        measure="servers", counted=2, limit=1, fr="2 serveurs créés, au plus 1", en="2 servers made, at most 1"
    )
    return BlastRadius(
        footprint=Footprint(services=("desk", "phone"), servers=servers, zones=(ZONE,)),
        limits=RunLimits(services=8, servers=1, euros_per_hour=5, unknown_price="allow"),
        excesses=(excess,),
    )


def _verdict() -> Verdict:
    import datetime

    why = Reason(rule="secnumcloud", says="Scaleway is not qualified SecNumCloud.", record="targets/scaleway.yaml")
    lifted = Lifted(
        reason=why, because="Until the contract is signed", until=datetime.date(2027, 6, 30), by="Anne Lefort"
    )
    return Verdict(service="desk", place="scaleway", lifted=(lifted,), doubts=("Nobody verified OVHcloud's prices.",))
