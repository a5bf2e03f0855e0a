"""Fault 1, wide: two thousand objects and a large one from AWS, the copy killed at many points, at each vendor."""

from pathlib import Path

import pytest

from providers.base import Presence
from tests.aws_copies import MIB, STORES, fill, killed_and_resumed, move_to
from tests.moto_server import Moto

pytestmark = [pytest.mark.wide, pytest.mark.timeout(600)]

OBJECTS = 2000
SIZE = 60 * MIB


@pytest.mark.parametrize("vendor", STORES)
def test_an_organisation_s_bucket_killed_on_the_way_arrives_once(vendor: str, moto: Moto, tmp_path: Path) -> None:
    with move_to(vendor, moto, tmp_path) as move:
        fill(move, OBJECTS, SIZE)
        answer = killed_and_resumed(move, OBJECTS, SIZE, at_shares=(0.01, 0.2, 0.45, 0.499, 0.9), at_parts=(1, 4, 9))
        assert move.verify("sample").outputs["objects"] == OBJECTS + 1
        assert move.verify("full").outputs["objects"] == OBJECTS + 1
        assert move.undo(answer.effect).presence is Presence.ABSENT
        assert move.target.store.state() == {}
