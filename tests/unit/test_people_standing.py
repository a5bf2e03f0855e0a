"""Approvals that count no more, and what roles allow: decided from values alone."""

import pytest

from orchestrator.domain.people.role import ANYWHERE, PERMISSIONS, WHOLE, Grant, Permission, Role, allows
from orchestrator.domain.people.standing import LASTS, Standing, Yes, void

ANNE = Standing("anne", 3, (Grant(Role.APPROVER, "desk"),))
SAID = Yes("anne", 3)


def test_whoever_was_not_changed_has_approved() -> None:
    assert void([SAID], {"anne": ANNE}, ["desk"], 0.0) == []
    assert void([SAID], {"anne": ANNE}, ["desk"], LASTS + 1) == [SAID]


@pytest.mark.parametrize("services", [["phone"], ["desk", "phone"], []])
def test_whoever_may_approve_no_more_has_not_approved(services: list[str]) -> None:
    assert void([SAID], {"anne": ANNE}, services, 0.0) == [SAID]


@pytest.mark.parametrize("revision", [None, 2, 4])
def test_whoever_was_changed_since_has_not_approved(revision: int | None) -> None:
    said = Yes("anne", revision)
    assert void([said], {"anne": ANNE}, ["desk"], 0.0) == [said]
    assert void([said], {}, ["desk"], 0.0) == [said]


def test_no_role_holds_the_permissions_of_another_by_being_above_it() -> None:
    assert Permission.APPROVE not in PERMISSIONS[Role.ADMIN]
    assert [role for role in Role if Permission.APPROVE in PERMISSIONS[role]] == [Role.APPROVER]
    assert [role for role in Role if Permission.MANAGE in PERMISSIONS[role]] == [Role.ADMIN]


@pytest.mark.parametrize("permission", Permission)
def test_a_role_for_one_service_is_no_role_for_all(permission: Permission) -> None:
    grants = [Grant(role, "desk") for role in Role]
    assert allows(grants, permission, ["desk"]) == (permission not in WHOLE)
    assert allows(grants, permission, ["desk", "phone"]) == (permission in ANYWHERE)
    assert allows(grants, permission, ()) == (permission in ANYWHERE)
    assert allows([Grant(role) for role in Role], permission, ())
