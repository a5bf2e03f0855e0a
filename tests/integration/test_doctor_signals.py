"""`bascule doctor` misses the secrets of who posts webhooks and of who looks, and knows that they are needed."""

from pathlib import Path

import pytest

from orchestrator.cli import main
from tests.integration.service_fixture import commit, estate_files
from tests.sealing import seal
from tests.signing_people import vouched
from tests.vendor_site import indented, probes_block, sites, vendor_file

SOURCE = """
  sources:
    prometheus: {format: alertmanager, auth: {bearer: secret://prometheus}, trust_domain: own}
"""


def test_secrets_of_sources_and_probes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sites(2) as (vendor, control):
        sheet = estate_files(1)["bascule.yaml"] + "signals:\n" + indented(probes_block(vendor, control)) + SOURCE
    commit(
        tmp_path / "estate",
        {**estate_files(1), "bascule.yaml": sheet, "catalogue/vendors/oldcloud.yaml": vendor_file()},
    )

    def doctor(scope: str, code: int) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["--data", str(tmp_path / "data"), "--estate", str(tmp_path / "estate"), "doctor", "--scope", scope])
        said = capsys.readouterr()
        assert ended.value.code == code, said.out + said.err
        return said.out

    told = doctor("live", 1)
    assert "✘ missing  a signed commit" in told
    assert "✘ missing  secret://mayor" in told
    assert "✘ missing  secret://prometheus" in told
    assert "secrets/signals" in told
    rehearsal = doctor("rehearsal", 0)
    assert "? unknown  a signed commit" in rehearsal
    assert "mayor" not in rehearsal
    assert "prometheus" not in rehearsal, "webhooks are posted to the real service"
    seal(tmp_path / "data", "live", "mayor", "the mayor's")
    for name in ("signals/prometheus", "signals/left-over"):
        path = tmp_path / "data/secrets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("s")
        path.chmod(0o600)
    vouched(tmp_path / "estate", tmp_path / "data")
    told = doctor("live", 0)
    assert "! needless secret://left-over" in told
    assert "secret://mayor" not in told
    assert "✔ held     secret://prometheus\n             It lies unsealed" in told
