"""What the page of a plan shows, and what its form offers, without a service."""

from typing import Any

import pytest

from orchestrator.domain.estate import Estate, read_estate
from orchestrator.domain.parameters import named_values
from orchestrator.domain.people.role import Grant, Role
from orchestrator.operations.changes import changes_in
from orchestrator.operations.people.register import Held, Person
from orchestrator.operations.plan_outline import outline
from orchestrator.web.pages import plan_form, plan_view
from orchestrator.web.pages.plan_form import Chosen
from orchestrator.web.times import duration
from orchestrator.web.words import Language, french
from tests.integration.service_fixture import ESTATE
from tests.rich_plan import rich_plan

NOW = 1_795_680_407.0
PLAN = rich_plan("c" * 40, NOW)


def shown(language: Language) -> list[plan_view.PlannedView]:
    found = plan_view.groups(language, PLAN, changes_in(PLAN), {"desk": "D"}, NOW, 0, len(PLAN.steps))
    assert [(group.title, group.rescue, len(group.steps)) for group in found] == [
        ("D", True, 1),
        ("D", False, 7),
        ("phone", False, 1),
    ]
    return [step for group in found for step in group.steps]


def test_a_digest_is_read_aloud_in_groups_that_lose_nothing() -> None:
    name, groups = plan_view.digits("sha256:0123456789ab")
    assert (name, groups) == ("sha256", ["0123", "4567", "89ab"])
    assert "".join(plan_view.digits(PLAN.digest)[1]) == PLAN.digest.removeprefix("sha256:")
    assert plan_view.digits("abcde") == ("", ["abcd", "e"])


def test_record_sets_stand_before_and_after() -> None:
    (table,) = shown("en")[6].tables
    assert table.caption == "DNS zone valbourg.example"
    desk, mx, old, www = table.rows
    assert desk.before.values == (("203.0.113.10", False),)
    assert desk.before.ttl == 3600, "as it is now"
    assert desk.after == plan_view.Cell((("address of server", True),), ttl=60)
    assert [value for value, _ in mx.after.values] == ["10 mx1.mailo.com.", "20 mx2.mailo.com."]  # type: ignore[union-attr]
    assert old.after == plan_view.Cell((), "nothing")
    assert (desk.stays, www.stays) == (False, True)


def test_what_is_old_or_unreadable_says_so_in_the_readers_language() -> None:
    english, frenched = shown("en"), shown("fr")
    assert english[0].lines[-1] == plan_view.Line(
        "Planned as it was 2 h 01 min ago; it can’t be read now:", "403 from the source: key refused.", alarm=True
    )
    assert frenched[0].lines[0].text == "Copier 1240 objets (3,4 Go) de source/desk vers target/desk"
    assert frenched[1].lines[0].text == (
        "Créer le serveur desk-1 chez scaleway, sinon outscale (4 CPU, 8 Go, debian_bookworm)"
    )
    found = plan_view.alarms("fr", PLAN, changes_in(PLAN), NOW)
    assert [(one.number, one.line.text) for one in found] == [
        (1, french("Prévu d’après l’état d’il y a 2 h 01 min ; illisible maintenant :")),
        (3, french("Pas de place pour lui maintenant :")),
        (3, french("Illisible maintenant, et jamais lu avant :")),
    ]


def test_the_short_list_says_what_changes_apart_from_what_does_not() -> None:
    desk, phone = plan_view.shortly("en", outline(PLAN), {})
    assert desk.changes == (
        "2 servers made, 3 DNS record sets changed, 1 TTL changed, 1240 objects copied, 1 Ansible play, 1 message sent"
    )
    assert desk.harmless == "1 hold point"
    assert (phone.changes, phone.harmless) == ("changes nothing by itself", "1 check")


def test_the_critical_path_ends_when_the_plan_does() -> None:
    found = plan_view.path("en", PLAN, {})
    assert [one.number for one in found] == [1, 2, 4, 5, 6, 7, 8, 9]
    assert found[-1].until == duration(PLAN.expected_seconds, "en")


def test_limits_stand_beside_what_is_used() -> None:
    assert PLAN.blast_radius is not None
    rows = plan_view.radius("fr", PLAN.blast_radius)
    assert [(row.used, row.most, row.over) for row in rows] == [
        ("2", "8", False),
        ("2", "1", True),
        ("1", "", False),
        ("0,027", "5", False),
    ]


def person(name: str, *grants: Grant, **more: Any) -> Person:
    values: dict[str, Any] = {"title": "", "program": False, "disabled": False, "factors": ("totp",)}
    held = tuple(Held(grant, "admin", counts=more.pop("counts", True)) for grant in grants)
    return Person(name=name, roles=held, **{**values, **more})


def test_who_may_approve_has_the_role_for_every_service() -> None:
    approver = Grant(Role.APPROVER)
    people = [
        person("anne", approver),
        person("bruno", Grant(Role.APPROVER, "desk"), Grant(Role.APPROVER, "phone"), factors=()),
        person("chloe", Grant(Role.APPROVER, "desk")),
        person("dora", Grant(Role.OPERATOR)),
        person("emil", approver, disabled=True),
        person("robot", approver, program=True),
        person("fay", approver, counts=False),
    ]
    found = plan_view.approvers(people, PLAN.services, "Anne")
    assert [(one.name, one.factor, one.you) for one in found] == [("anne", True, True), ("bruno", False, False)]


@pytest.fixture(scope="module")
def estate() -> Estate:
    found, problems = read_estate(ESTATE)
    assert found is not None, problems
    return found


def test_a_rehearsal_is_chosen_where_the_address_names_no_scope(estate: Estate) -> None:
    assert plan_form.first_choice(estate, ["desk", "none"], "", "nowhere", "sideways") == Chosen(
        ("desk",), "rehearsal", "failover"
    )
    assert plan_form.first_choice(estate, [], "microsoft-365", "drill", "failback") == Chosen(
        ("phone",), "drill", "failback"
    )


def test_a_service_can_be_chosen_with_all_that_it_needs(estate: Estate) -> None:
    desk, phone = plan_form.service_choices("en", estate, {"desk", "phone"}, Chosen(("phone",), "rehearsal"))
    assert (desk.needs, desk.with_needs, desk.lacks) == ("", "", "Failback")
    assert phone.needs == "Front desk"
    assert phone.with_needs == "/plans/new?service=phone&service=desk&scope=rehearsal&direction=failover"
    only = plan_form.service_choices("en", estate, {"phone"}, Chosen())
    assert [one.name for one in only] == ["phone"]


def test_scopes_are_offered_with_the_safest_first_and_what_they_touch(estate: Estate) -> None:
    found = plan_form.scope_choices("en", estate, Chosen(scope="rehearsal"))
    assert [(one.name, one.chosen) for one in found] == [("rehearsal", True), ("drill", False), ("live", False)]
    assert found[1].touches == ("Names begin with drill-", "Reaches 127.0.0.0/8 alone")


def test_parameters_are_read_a_line_each() -> None:
    typed = ["port=5060", "", 'names=["a", "b"]', "host = mx.example", "empty="]
    assert named_values(typed) == {"port": 5060, "names": ["a", "b"], "host": "mx.example", "empty": ""}
    for wrong in ("port", "=5"):
        with pytest.raises(ValueError, match="is not NAME=VALUE"):
            named_values([wrong])
