"""`bascule inventory`: without a service and beside one, while the source answers and after it fell silent."""

import io
import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.app import Bascule, Settings
from orchestrator.cli import main
from tests.aws_account import SECRETS, AwsAccount
from tests.integration.service_fixture import answering
from tests.moto_server import Moto
from tests.sealing import seal
from tests.town_hall import commit_all, git

SHEET = """
estate: village
title: {{fr: Village, en: Village}}
services:
  port: {{title: {{fr: Port, en: Port}}, vendor: aws, target: scaleway}}
scopes:
  live:
    mode: live
    networks: [127.0.0.0/8]
    sources:
      aws:
        driver: aws
        region: eu-west-3
        ec2_url: "{ec2}"
        s3_url: "{s3}"
        route53_url: "{route53}"
        access_key: secret://aws-access
        secret_key: secret://aws-secret
      other:
        driver: aws
        region: eu-west-3
        access_key: secret://nowhere
        secret_key: secret://aws-secret
  drill: {{mode: drill}}
"""
NOWHERE = "http://127.0.0.1:9"


@dataclass
class Village:
    """An estate with an AWS account, and a data directory with its secrets."""

    folder: Path
    url: str

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def settle(self, **urls: str) -> None:
        """Commit the estate; `urls` name other addresses for `ec2`, `s3` or `route53`."""
        estate = self.folder / "estate"
        estate.mkdir(exist_ok=True)
        every = {"ec2": self.url, "s3": self.url, "route53": self.url}
        (estate / "bascule.yaml").write_text(SHEET.format(**{**every, **urls}))
        if not (estate / ".git").exists():
            git(estate, "init", "--quiet", "--initial-branch", "main")
        commit_all(estate, "village")
        for reference, value in SECRETS.items():
            seal(self.data, "live", reference.removeprefix("secret://"), value)

    def said(self, code: int, *arguments: str) -> tuple[str, str]:
        """What the command prints, on standard output and error, once it ended with this exit code."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name in [name for name in os.environ if name.startswith("BASCULE_")]:
                patch.delenv(name)
            patch.setenv("COLUMNS", "80")
            with pytest.raises(SystemExit) as end:
                main(["--data", str(self.data), "--estate", str(self.folder / "estate"), "inventory", *arguments])
        assert end.value.code == code, f"{end.value.code}\n{out.getvalue()}\n{err.getvalue()}"
        assert "Traceback" not in out.getvalue() + err.getvalue()
        return out.getvalue(), err.getvalue()


@pytest.fixture
def village(moto: Moto, tmp_path: Path) -> Village:
    account = AwsAccount(moto.url)
    account.run_server("web", role="front")
    zone = account.create_zone("example.org")
    account.create_records(zone, [{"name": "www.example.org", "type": "A", "ttl": 60, "values": ["192.0.2.1"]}])
    account.create_bucket("documents")
    account.s3("PUT", "/documents/a", b"12345")
    made = Village(tmp_path, moto.url)
    made.settle()
    return made


def test_a_source_is_read_without_a_service_shown_and_written(village: Village, tmp_path: Path) -> None:
    out, err = village.said(0, "aws", "--to", str(tmp_path / "out"))
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("aws: aws in eu-west-3, scope live, read 20")
    assert "Servers: 1, 1 of them running" in lines
    assert "Buckets: 1, 1 object, 5 B" in lines
    (folder,) = (tmp_path / "out").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d{6}Z-live-aws", folder.name)
    assert f"Written to {folder}" in err
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert files == ["inventory.json", "octodns/example.org.yaml", "zones/example.org.zone"]
    assert "www.example.org. 60 IN A 192.0.2.1" in (folder / "zones/example.org.zone").read_text()


@pytest.mark.faults
def test_what_was_known_is_there_when_the_source_is_silent(village: Village) -> None:
    village.said(0, "aws")
    before = json.loads(village.said(0, "aws", "--last", "--json")[0])
    village.settle(ec2=NOWHERE, s3=NOWHERE, route53=NOWHERE)
    out, err = village.said(1, "aws")
    assert "nothing was read" in out
    assert "EC2 at 127.0.0.1 cannot be reached" in out
    assert "bascule inventory --last --scope live" in err
    assert json.loads(village.said(0, "aws", "--last", "--json")[0]) == before


@pytest.mark.faults
def test_one_silent_api_is_filled_from_before_and_said(village: Village) -> None:
    village.said(0, "aws")
    village.settle(route53=NOWHERE)
    found = json.loads(village.said(1, "aws", "--json")[0])[0]
    assert (found["zones"], len(found["servers"])) == (None, 1)
    (known,) = json.loads(village.said(0, "aws", "--last", "--json")[0])
    assert known["zones"][0]["name"] == "example.org"
    assert known["read_at"]["zones"] < known["read_at"]["servers"]
    assert [trouble["part"] for trouble in known["troubles"]] == ["zones"]


def test_one_source_without_its_secret_leaves_the_other(village: Village, tmp_path: Path) -> None:
    out, err = village.said(1, "--to", str(tmp_path / "out"))
    assert "Servers: 1, 1 of them running" in out
    assert "The secret secret://nowhere of scope live is missing." in out
    assert "Nothing of other could be read" in err
    assert len([*(tmp_path / "out").iterdir()]) == 1


@pytest.mark.every_day("arguments0-The scope live has no source 'azure'; it has aws, other.")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["azure"], "The scope live has no source 'azure'; it has aws, other."),
        (["--scope", "drill"], "The scope drill has no `sources` to read; add them to bascule.yaml."),
        (["--scope", "nowhere"], "The estate has no scope 'nowhere'; it has drill, live."),
        (["--last"], "No source of scope live was ever read here"),
    ],
)
def test_what_cannot_be_asked_for_is_explained(village: Village, arguments: list[str], said: str) -> None:
    assert said in village.said(1, *arguments)[1]


def test_secrets_are_shown_and_kept_nowhere(village: Village, tmp_path: Path) -> None:
    village.settle(s3=NOWHERE)
    said = "".join(village.said(1, "aws", "--to", str(tmp_path / "out")) + village.said(0, "aws", "--last", "--json"))
    kept = [path for folder in ("inventories", "../out") for path in (village.data / folder).rglob("*")]
    text = said + "".join(path.read_text() for path in kept if path.is_file())
    text += "\n".join(sqlite3.connect(village.data / "bascule.db").iterdump())
    assert "documents" not in text
    assert "example.org" in text
    assert not [secret for secret in SECRETS.values() if secret in text]


@contextmanager
def serving(village: Village) -> Iterator[None]:
    """The service of the village, in this process."""
    bascule = Bascule(Settings(village.data, str(village.folder / "estate")))
    bascule.start()
    try:
        with answering(bascule):
            yield
    finally:
        bascule.stop()


def test_a_running_service_reads_for_the_command(village: Village, tmp_path: Path) -> None:
    with serving(village):
        out, _ = village.said(0, "aws", "--to", str(tmp_path / "out"))
        assert "Servers: 1, 1 of them running" in out
        assert "Servers: 1, 1 of them running" in village.said(0, "aws", "--last")[0]
        assert "has no source 'azure'" in village.said(1, "azure")[1]
    assert len([*(tmp_path / "out").iterdir()]) == 1
