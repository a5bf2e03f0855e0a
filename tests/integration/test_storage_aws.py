"""A bucket at AWS copied to each European store, killed on the way; the wide version is among the faults."""

from pathlib import Path

import pytest

from providers.base import Presence
from tests.aws_copies import LARGE, MIB, STORES, fill, killed_and_resumed, move_to
from tests.moto_server import Moto

OBJECTS = 200
SIZE = 40 * MIB


SHARES = {"scaleway": (0.5,)}
"""Of the small objects: where the copy is killed besides, at a vendor."""


@pytest.mark.faults
@pytest.mark.parametrize(
    "vendor", [pytest.param(one, marks=() if one == "scaleway" else pytest.mark.faults) for one in STORES]
)
def test_a_copy_killed_on_the_way_is_finished_and_nothing_is_copied_twice(
    vendor: str, moto: Moto, tmp_path: Path
) -> None:
    with move_to(vendor, moto, tmp_path) as move:
        fill(move, OBJECTS, SIZE)
        answer = killed_and_resumed(move, OBJECTS, SIZE, at_shares=SHARES.get(vendor, ()), at_parts=(3,))
        assert move.verify("full").outputs["objects"] == OBJECTS + 1
        assert move.undo(answer.effect).presence is Presence.ABSENT
        assert move.target.store.state() == {}


@pytest.mark.faults
def test_a_large_object_takes_little_memory(moto: Moto, tmp_path: Path) -> None:
    with move_to("scaleway", moto, tmp_path) as move:
        fill(move, 3, 2 * SIZE)
        answer = move.copy(move.observe().values)
        assert answer.presence == "ours", answer.message
        assert LARGE in answer.outputs["keys"]
        assert answer.grown < 30 * MIB


def test_a_copy_longer_than_its_call_goes_on_in_the_next(moto: Moto, tmp_path: Path) -> None:
    with move_to("outscale", moto, tmp_path) as move:
        fill(move, OBJECTS // 4, 10 * MIB)
        before = move.observe().values
        calls = [move.copy(before, deadline=1.0)]
        while calls[-1].presence != "ours":
            assert calls[-1].advanced, calls[-1].message
            assert len(calls) < 30
            calls.append(move.copy(before, deadline=1.0))
        assert set(move.writes().values()) == {1}
