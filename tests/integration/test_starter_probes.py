"""The starter estate's own probes work against the simulator, as its author would try them."""

import json
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.cli.demo.town import Town, founded_estate, given_secrets
from tests.simulator_fixture import Simulator


def test_every_sensor_of_the_starter_estate_sees_a_world_that_works(
    fresh_simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    town = Town(fresh_simulator.index, fresh_simulator.data, fresh_simulator.addresses)
    estate = founded_estate(town, tmp_path / "estate")
    given_secrets(town, tmp_path / "data")
    with pytest.raises(SystemExit) as ended:
        main(["--data", str(tmp_path / "data"), "signals", "probe", "--in", str(estate), "--json"])
    seen = json.loads(capsys.readouterr().out)
    assert {(one["vendor"], one["sensor"]): one["outcome"] for one in seen} == {
        ("control-mailo", "site"): "ok",
        ("control-proton", "site"): "ok",
        ("control-far", "site"): "ok",
        ("microsoft-365", "incoming-mail"): "ok",
        ("aws", "portal"): "ok",
    }, seen
    assert ended.value.code == 0
