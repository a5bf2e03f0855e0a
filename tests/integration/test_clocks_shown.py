"""Clocks of a real service: its API, its page, and the plans that follow them."""

import time
from collections.abc import Iterator

import pytest

from orchestrator.domain.signals.change import Change
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.store import verdicts
from tests.integration.service_fixture import RunningService, running_service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("clocks")) as made:
        yield made


def test_clocks_are_shown_by_api_and_page_and_order_the_plan(service: RunningService) -> None:
    found = service.http.get("/api/v1/clocks").json()
    assert found["running"] is False
    assert {one["standing"] for one in found["clocks"]} == {"if_lost"}
    page = service.http.get("/signals?lang=fr").text
    assert "Ce qui expirerait si son fournisseur était perdu maintenant" in page
    assert "12 h après la perte" in page
    assert service.plan("desk")["turns"] == []

    lost = time.time() - 11 * 3600
    cut = Change(lost, "aws", Verdict.CUT, Verdict.UNKNOWN, lost, (), {"fr": "coupé", "en": "cut"})
    with service.bascule.database.write() as conn:
        verdicts.record(conn, cut, lost)
    found = service.http.get("/api/v1/clocks").json()
    assert found["running"] is True
    ((desk,),) = [[one for one in found["clocks"] if one["clock"] == "aws-session"]]
    assert (desk["services"], desk["standing"]) == (["desk", "phone"], "soon")
    page = service.http.get("/signals?lang=en").text
    assert "What runs out" in page
    assert "Session tokens" in page
    assert "Jobs and servers that act in a role" in page
    plan = service.plan("phone", "desk")
    assert [turn["service"] for turn in plan["turns"]] == ["desk", "phone"]
    assert plan["turns"][0]["first_clock"]["at"] == pytest.approx(lost + 12 * 3600)
    given = service.bascule.plans.make(["phone", "desk"], "rehearsal", onsets={})
    assert given.turns == ()
