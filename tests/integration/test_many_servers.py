"""Sixteen servers from eight threads at each cloud: exactly these, rightly asked for, and all of them taken back."""

from pathlib import Path

import pytest

from tests.server_wave import CLOUDS, Place, cost_of, through_compute_server, undone

SERVERS, THREADS = 16, 8


@pytest.mark.every_day("Scaleway", "OVHcloud")
@pytest.mark.parametrize("place", CLOUDS.values(), ids=CLOUDS)
def test_as_many_servers_as_were_asked_for_and_none_after_their_undo(place: Place, tmp_path: Path) -> None:
    with place(tmp_path, SERVERS) as wave:
        nothing = wave.cloud.fleet.state()
        cost = cost_of(through_compute_server, wave, THREADS)
        assert (cost.servers, cost.duplicates, cost.refused) == (SERVERS, 0, 0)
        made = [target for action, target in wave.cloud.written() if action == "server.create"]
        assert len(made) == SERVERS
        states = {server["state"] for server in wave.cloud.fleet.state()["servers"]}
        assert states == {"running"}
        undone(wave, THREADS)
        assert wave.cloud.fleet.state() == nothing
        assert wave.cloud.tally.refused == 0
