"""The key that the starter estate trusts in rehearsals is the one that the simulated mirror signs with."""

from pathlib import Path

from providers.simulator.openpgp_key import OpenPgpKey
from providers.simulator.products import ARCHIVE

KEY = Path(__file__).parents[2] / "playbooks/keys/rehearsal-archive.asc"


def test_the_starter_estate_has_the_rehearsal_archive_key() -> None:
    assert KEY.read_text() == OpenPgpKey.fixed(ARCHIVE).public()
