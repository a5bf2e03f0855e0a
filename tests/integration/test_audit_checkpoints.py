"""The audit of a real service: checkpoints at a run's end, given to witnesses, and verified from outside."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import main
from orchestrator.domain.audit.checkpoint import Signed
from orchestrator.store import checkpoints, notices
from tests.integration.service_fixture import ESTATE, RunningService, commit, running_service, until
from tests.sealing import seal
from tests.vendor_stand_ins import SECRETS, StoreStandIn, store_stand_in

BUCKET = "bascule-witness"


@pytest.fixture(scope="module")
def store() -> Iterator[StoreStandIn]:
    with store_stand_in("target", "fr-par") as made:
        yield made


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, store: StoreStandIn) -> Iterator[RunningService]:
    directory = tmp_path_factory.mktemp("audit")
    with running_service(directory, witness_dir=directory / "outside") as made:
        for reference, value in SECRETS.items():
            seal(made.bascule.paths.data, "live", reference.removeprefix("secret://"), value)
        made.bascule.secret_store.keyring.refresh()
        commit(made.estate, {"bascule.yaml": _estate(store)})
        made.bascule.estates.sync("olga")
        yield made


def _estate(store: StoreStandIn) -> str:
    block = json.dumps(store.block)
    channel = "{driver: smtp, host: 127.0.0.1, port: 9, from: a@trial.example, to: [b@trial.example]}"
    live = f"storage: {{archive: {block}}}, notify: {{duty: {channel}}}, smtp: {{helo: b.trial.example}}"
    witnesses = f"[{{storage: archive, bucket: {BUCKET}, prefix: audit/, retain: 30d}}, {{notify: duty}}]"
    sheet = ESTATE.replace("live: {mode: live,", f"live: {{mode: live, {live},")
    return f"{sheet}\npolicy:\n  audit: {{every: 1h, witnesses: {witnesses}}}\n"


def audit(capsys: pytest.CaptureFixture[str], code: int, *arguments: str, data: Path) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["--data", str(data), "audit", *arguments])
    told = capsys.readouterr()
    assert ended.value.code == code, told.out + told.err
    return told.out


def last_checkpoint(folder: Path, run_id: str) -> Signed | None:
    """The newest, once it knows the run's end."""
    found = [one for _, one in checkpoints.read_files(folder) if isinstance(one, Signed)] if folder.is_dir() else []
    if not found or f"run/{run_id}" not in found[-1].checkpoint.chains:
        return None
    return found[-1]


def test_a_run_s_end_is_witnessed_everywhere_and_everything_verifies(
    service: RunningService, store: StoreStandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = service.bascule.settings.data
    run_id = service.start(service.plan("phone")["digest"])
    service.wait(run_id, "succeeded")
    outside = service.bascule.settings.witness_dir
    assert outside is not None
    kept = until(lambda: last_checkpoint(outside, run_id), 20, lambda: "no checkpoint of the run's end came outside")
    assert last_checkpoint(data / "audit" / "checkpoints", run_id) == kept
    assert (data / "audit" / "key").stat().st_mode & 0o777 == 0o600

    point = kept.checkpoint
    with service.bascule.database.read() as conn:
        told = notices.listed(conn, f"checkpoint:{point.number}:")
    assert f"bascule audit verify --seen {point.number}:{point.digest}" in told[0].body["en"]

    seen = f"{point.number}:{point.digest}"
    public = audit(capsys, 0, "key", data=data).strip()
    assert public == point.key
    said = audit(capsys, 0, "verify", "--key", public, "--checkpoints", str(outside), "--seen", seen, data=data)
    assert "All is whole" in said
    copy = tmp_path / "copy.db"
    with sqlite3.connect(data / "bascule.db") as live, sqlite3.connect(copy) as target:
        live.backup(target)
    found = json.loads(audit(capsys, 0, "verify", "--database", str(copy), "--key", public, "--json", data=tmp_path))
    assert found["whole"]
    assert found["chains"][f"run/{run_id}"]["length"] == point.chains[f"run/{run_id}"].length
    export = tmp_path / "export.jsonl"
    audit(capsys, 0, "export", "-o", str(export), data=data)
    assert "All is whole" in audit(capsys, 0, "verify", "--file", str(export), data=tmp_path)

    with sqlite3.connect(copy) as target:
        target.execute("UPDATE events SET actor = 'mallory' WHERE run_id = ? AND seq = 2", (run_id,))
    target.close()
    changed = audit(capsys, 1, "verify", "--database", str(copy), data=tmp_path)
    assert f"run/{run_id}: 1 finding" in changed
    assert "edited          2" in changed


def test_a_store_that_was_away_is_given_what_it_missed_under_lock_and_nothing_is_overwritten(
    service: RunningService, store: StoreStandIn
) -> None:
    """Its bucket is made only now: what was tried before failed, was kept in the queue, and held nobody up."""
    run_id = service.start(service.plan("phone")["digest"])
    service.wait(run_id, "succeeded")

    def rows() -> list[Any]:
        with service.bascule.database.read() as conn:
            return [one for one in checkpoints.deliveries(conn) if one.witness.startswith("storage:live/archive/")]

    until(lambda: [one for one in rows() if one.tries], 20, lambda: f"nothing was tried: {rows()}")
    store.store.create_bucket(BUCKET, locking=True)
    with service.bascule.database.write() as conn:
        for one in rows():
            checkpoints.failed(conn, one.number, one.witness, "made due", 0.0)
    until(lambda: all(one.state == "sent" for one in rows()), 20, lambda: f"{[tuple(one) for one in rows()]}")
    for one in rows():
        assert f"Bucket {BUCKET} at archive keeps audit/checkpoint-" in one.message
    bucket = store.store.bucket(BUCKET)
    folder = service.bascule.paths.audit / "checkpoints"
    for path in sorted(folder.iterdir())[-len(rows()) :]:
        stored = bucket.current(f"audit/{path.name}")
        assert stored is not None
        assert stored.data == path.read_bytes()
        assert stored.retention is not None
        assert stored.retention.mode == "COMPLIANCE"


def test_what_the_estate_may_not_name_is_refused(service: RunningService) -> None:
    for wrong in ("{storage: other, bucket: abc}", "{notify: nobody}", "{storage: archive}", "{directory: /etc}"):
        commit(service.estate, {"bascule.yaml": f"{ESTATE}\npolicy:\n  audit: {{witnesses: [{wrong}]}}\n"})
        with pytest.raises(Exception, match="not valid"):
            service.bascule.estates.sync("olga")


def test_verify_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(capsys, 1, "verify", data=tmp_path) == ""
    (tmp_path / "bascule.db").write_bytes(b"no database at all, but long enough to look like one" * 40)
    assert audit(capsys, 1, "verify", data=tmp_path) == ""
    shutil.rmtree(tmp_path / "audit", ignore_errors=True)
