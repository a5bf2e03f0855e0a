"""What runs out, when, for whom; and who leaves first because of it."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.catalogue_files import shipped
from orchestrator.domain.estate import Service
from orchestrator.domain.runbook import Step
from orchestrator.domain.signals.clock import (
    RunningClock,
    crisis_order,
    rescue_steps,
    running_clocks,
)

ONSET, HOUR, DAY = 1_800_000_000.0, 3600.0, 86400.0


def service(vendor: str, criticality: str = "normal", needs: tuple[str, ...] = ()) -> Service:
    words = {"fr": "x", "en": "x"}
    return Service.model_validate(
        {"title": words, "vendor": vendor, "target": "nowhere", "criticality": criticality, "needs": needs}
    )


SERVICES = {
    "identity": service("entra-id", "critical"),
    "mail": service("microsoft-365", "critical", ("identity",)),
    "office": service("microsoft-365", "normal", ("identity",)),
    "files": service("aws", "high"),
    "wiki": service("scaleway"),
}


def test_clocks_start_at_the_onset_and_reach_who_needs_the_service() -> None:
    clocks = running_clocks({"entra-id": ONSET}, SERVICES, shipped())
    assert [one.at for one in clocks] == sorted(one.at for one in clocks)
    first = [one for one in clocks if one.clock == "entra-access-token"]
    assert {(one.service, one.through) for one in first} == {
        ("identity", "identity"), ("mail", "identity"), ("office", "identity")
    }  # fmt: skip
    assert {one.at for one in first} == {ONSET + HOUR}
    assert first[0].as_json()["at"] == "2027-01-15T09:00:00Z"
    assert first[0].left(ONSET + 2 * HOUR) == 0.0


def test_no_loss_no_clock() -> None:
    assert running_clocks({}, SERVICES, shipped()) == ()
    assert running_clocks({"nobody": ONSET}, SERVICES, shipped()) == ()


def test_rescues_come_first_then_needs_then_criticality_then_clocks() -> None:
    clocks = running_clocks({"microsoft-365": ONSET, "aws": ONSET}, SERVICES, shipped())
    turns = crisis_order(
        SERVICES, ["office", "wiki", "mail", "files", "identity"], clocks, frozenset({"files", "mail"})
    )
    assert [(one.service, one.rescue) for one in turns] == [
        ("mail", True), ("files", True),
        ("identity", False), ("mail", False), ("files", False), ("office", False), ("wiki", False),
    ]  # fmt: skip
    assert turns[1].at == ONSET + 12 * HOUR
    assert turns[-1].at is None


NAMES = list(SERVICES)


@given(
    st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=3), min_size=5),
    st.permutations(NAMES),
    st.frozensets(st.sampled_from(NAMES)),
    st.lists(st.tuples(st.floats(0, 1e9), st.sampled_from(NAMES)), max_size=5),
)
def test_everybody_has_one_turn_after_those_that_are_needed(
    needs: dict[str, list[str]], wanted: list[str], rescuing: frozenset[str], times: list[tuple[float, str]]
) -> None:
    services = {name: service("aws", needs=tuple(found)) for name, found in needs.items()}
    clocks = [RunningClock(at, name, name, "aws", "x", 0.0, ("x", "x")) for at, name in times]
    turns = crisis_order(services, wanted, clocks, rescuing)
    moves = [one.service for one in turns if not one.rescue]
    assert sorted(moves) == sorted(services)
    assert {one.service for one in turns if one.rescue} == rescuing
    assert all(one.rescue for one in turns[: len(rescuing)])
    acyclic = not any(name in _all_needs(name, needs) for name in needs)
    if acyclic:
        for name in moves:
            assert all(moves.index(need) < moves.index(name) for need in needs[name])


def _all_needs(name: str, needs: dict[str, list[str]]) -> set[str]:
    found: set[str] = set()
    todo = list(needs[name])
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += needs[one]
    return found


def test_the_rescue_of_a_runbook_is_what_fetches_and_what_that_needs() -> None:
    def step(name: str, uses: str, *needs: str) -> Step:
        return Step(id=name, uses=uses, needs=needs)

    steps = {
        one.id: one
        for one in (
            step("check", "probe.http"), step("bucket", "compute.server"), step("copy", "storage.copy", "bucket"),
            step("play", "ansible.play", "copy"), step("swap", "endpoint.swap", "play"),
        )
    }  # fmt: skip
    assert rescue_steps(steps) == ("bucket", "copy")
    assert rescue_steps({}) == ()
