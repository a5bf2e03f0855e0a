"""The portal at any of the clouds: one line says where, and a cloud without room gives way to the next."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.simulator_fixture import Simulator
from tests.town_hall import TownHall, commit_all

LINE = "clouds: [scaleway] # or"


@pytest.fixture
def town_hall(fresh_simulator: Simulator, tmp_path: Path) -> Iterator[TownHall]:
    made = TownHall(fresh_simulator, tmp_path)
    yield made
    fresh_simulator.stock(scaleway={})
    made.stop()


def at(town_hall: TownHall, clouds: str) -> None:
    """Change where servers may be: the line of each service that has one."""
    estate = town_hall.estate / "bascule.yaml"
    assert estate.read_text().count(LINE) == 2
    estate.write_text(estate.read_text().replace(LINE, f"clouds: [{clouds}] # or"))
    commit_all(town_hall.estate, f"at {clouds}")
    town_hall.bascule.estates.sync("test")


def where(simulator: Simulator) -> list[tuple[str, str]]:
    """Each server with its cloud."""
    return sorted((server["name"], server["cloud"]) for server in simulator.state()["servers"])


def world(simulator: Simulator) -> dict[str, Any]:
    """Everything that an undo takes back; messages that were sent stay sent."""
    return {name: part for name, part in simulator.state().items() if name != "mailboxes"}


@pytest.mark.faults
@pytest.mark.parametrize("cloud", ["outscale", "ovhcloud", "openstack"])
def test_one_line_moves_the_portal_to_another_cloud(town_hall: TownHall, cloud: str) -> None:
    at(town_hall, cloud)
    before = world(town_hall.simulator)
    run_id = town_hall.run(["portal"])
    assert [place for _, place in where(town_hall.simulator)] == [cloud]
    town_hall.undo(run_id)
    assert world(town_hall.simulator) == before
    town_hall.check_fold(run_id)


@pytest.mark.faults
def test_a_cloud_that_sells_out_in_mid_wave_gives_way_to_the_next(town_hall: TownHall) -> None:
    """Identity takes the last server that the first cloud has; the portal goes to the second, and both come back."""
    simulator = town_hall.simulator
    before = world(simulator)
    at(town_hall, "scaleway, outscale")
    sizes = ("DEV1-M", "DEV1-L", "GP1-XS", "PLAY2-PICO", "PRO2-XXS")
    simulator.stock(scaleway={"DEV1-S": 1} | dict.fromkeys(sizes, 0))
    run_id = town_hall.run(["identity", "portal"])
    assert where(simulator) == [("identity", "scaleway"), ("portal", "outscale")]
    assert town_hall.steps(run_id)["portal-failover/server"].outputs["provider"] == "outscale"
    assert [volume["cloud"] for volume in simulator.state()["volumes"]].count("scaleway") == 1
    assert simulator.state()["zones"] != before["zones"]
    town_hall.undo(run_id)
    assert world(simulator) == before
    town_hall.check_fold(run_id)
