"""What a check-up is made of, as values: what runbooks use, what a scope has to be examined, how it is told."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.catalogue_files import shipped
from orchestrator.cli.doctor_page import heading, lines_of, summary
from orchestrator.domain.bundle import Bundle, read_bundle
from orchestrator.domain.usage import usage_of
from orchestrator.engine.workshop import EstateWorkshop
from orchestrator.operations.doctor import subjects_of
from providers.base import Secret
from providers.expiry import validity
from providers.rights import Right, State, Subject, needs

STARTER = Path(__file__).parents[2] / "playbooks"
NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture(scope="module")
def starter() -> Bundle:
    files = {str(path.relative_to(STARTER)): path.read_bytes() for path in STARTER.rglob("*") if path.is_file()}
    bundle, problems = read_bundle(files, shipped())
    assert bundle is not None, problems
    return bundle


def test_what_the_starter_estate_uses(starter: Bundle) -> None:
    usage = usage_of(starter, "live")
    assert {"valbourg-portal", "valbourg-identity"} <= usage.read["source"]
    assert usage.written["target"]
    assert usage.images["scaleway"] == {"debian-12"}
    assert "secret://target-access" in usage.secrets


def test_what_the_starter_estate_has_to_be_examined(starter: Bundle) -> None:
    scope = starter.estate.scopes["rehearsal"]
    subjects = subjects_of(scope, usage_of(starter, "rehearsal"), NOW.timestamp())
    assert [(one.kind, one.entry) for one in subjects] == [
        *(("compute", cloud) for cloud in sorted(scope.compute)),
        ("dns", "valbourg.example"),
        ("dns", "resolvers"),
        ("storage", "source"),
        ("storage", "target"),
        ("ssh", "key"),
        ("plays", "sandbox"),
        ("notify", "crisis"),
        ("social", "town"),
        ("tls", "secret://simulator-authority"),
    ]


def test_authorities_of_the_estate_reach_providers_as_paths(tmp_path: Path) -> None:
    block = {"compute": {"a": {"ca": "ca/a.pem"}, "b": {"ca": None}}, "tls": {"ca": "/etc/ssl/b.pem"}}
    workshop = EstateWorkshop(lambda *_: block, lambda _: tmp_path / "estate", lambda _: Secret, tmp_path / "work")
    subject = Subject("tls", "x", "none-of-that")
    assert workshop.examine("commit", "live", subject, 1.0).where == ""
    scope = workshop._look_around("commit", "live", 1.0).scope
    assert scope["compute"] == {"a": {"ca": str(tmp_path / "estate/ca/a.pem")}, "b": {"ca": None}}
    assert scope["tls"] == {"ca": "/etc/ssl/b.pem"}


@pytest.mark.parametrize(
    ("end", "state", "advised"),
    [
        (None, State.HELD, False),
        (datetime(2027, 11, 25, tzinfo=UTC), State.HELD, False),
        (datetime(2026, 12, 1, tzinfo=UTC), State.HELD, True),
        (datetime(2026, 12, 1), State.HELD, True),  # noqa: DTZ001  # vendors leave the zone out, and mean UTC
        (datetime(2026, 11, 25, tzinfo=UTC), State.MISSING, True),
    ],
)
def test_the_end_of_a_credential(end: datetime | None, state: State, advised: bool) -> None:
    told = validity(end, NOW.timestamp(), "make a new one")
    assert (told.state, bool(told.advice)) == (state, advised)


def test_what_is_missing_is_not_well_and_what_is_needless_is() -> None:
    subject = Subject("compute", "ovh")
    assert not subject.found("there", needs({"a": True, "b": False, "c": None}, "Grant it.")).ok
    assert subject.found("there", [Right("d", State.NEEDLESS)]).ok


def test_an_entry_is_told_what_is_missing_first() -> None:
    rights = [
        Right("a", State.HELD),
        Right("b", State.HELD),
        Right("c", State.HELD, "It ends in 3 days."),
        Right("d", State.NEEDLESS, "Narrow it."),
        Right("e", State.MISSING, "Grant\nit."),
    ]
    one = Subject("compute", "ovh").found("OVHcloud GRA11", rights).as_json()
    assert heading(one) == "✘ not ready: compute ovh, OVHcloud GRA11"
    assert list(lines_of(one)) == [
        (2, "✘ missing  e"),
        (13, "Grant it."),
        (2, "! needless d"),
        (13, "Narrow it."),
        (2, "✔ held     c"),
        (13, "It ends in 3 days."),
        (2, "✔ held     2 rights"),
    ]
    assert summary("live", [one]) == "Scope live: 1 entry examined, 1 entry not ready, 1 needless right."
