"""The settings' pages over HTTP, without a script: what each person sees there, and what their forms do."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from orchestrator.cli.root import main
from orchestrator.domain.people.actor import Proof
from orchestrator.domain.people.role import Grant, Role
from orchestrator.store import people
from orchestrator.web.words import french
from tests.integration.service_fixture import RunningService, running_service, until
from tests.known_people import enrol, session
from tests.page_visitor import Visitor, form_at, visiting, words_of

SOURCES = """
signals:
  sources:
    prometheus: {format: alertmanager, auth: {bearer: secret://prometheus}, trust_domain: own-monitoring}
"""
VALUE = "a-value-that-nobody-reads-back"
Enter = Callable[..., Visitor]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("settings"), more=SOURCES) as made:
        roles: dict[str, list[Grant | Role]] = {
            "ada": [Role.ADMIN, Role.VIEWER],
            "bruno": [Role.APPROVER],
            "olga": [Role.OPERATOR, Role.VIEWER],
            "vera": [Role.VIEWER],
        }
        for name, grants in roles.items():
            enrol(made.bascule.database, name, *grants)
        with made.bascule.database.write() as conn:
            for name in roles:
                people.change(conn, name, totp="of some app")
        yield made


@pytest.fixture
def enter(service: RunningService) -> Iterator[Enter]:
    with ExitStack() as stack:
        yield lambda name, proof=Proof.TOTP, language="en": stack.enter_context(
            visiting(service.bascule, service.url, name, proof, language)
        )


def links_of(page: httpx.Response) -> set[str]:
    return set(re.findall(r'href="(/settings/[a-z\-]+)"', page.text))


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("vera", {"break-glass", "sources", "itself"}),
        ("olga", {"break-glass", "sources", "itself", "credentials", "resources"}),
        ("ada", {"break-glass", "sources", "itself", "credentials", "people", "tokens", "secrets"}),
    ],
)
def test_each_sees_the_parts_that_they_may_open(enter: Enter, name: str, parts: set[str]) -> None:
    visitor = enter(name)
    page = visitor.get("/settings")
    assert links_of(page) == {f"/settings/{one}" for one in parts}
    for one in sorted(parts):
        shown = visitor.get(f"/settings/{one}")
        assert (one, shown.status_code) == (one, 200)
        assert shown.headers["Cache-Control"] == "no-store"
    others = {"people", "tokens", "secrets", "credentials", "resources"} - parts
    assert {visitor.get(f"/settings/{one}").status_code for one in others} <= {403}


def test_the_settings_speak_french(enter: Enter) -> None:
    visitor = enter("ada", language="fr")
    said = words_of(visitor.get("/settings"))
    assert "Qui entre, ce que Bascule détient" in said
    for part in ("people", "secrets", "credentials", "sources", "itself", "break-glass", "tokens"):
        assert visitor.get(f"/settings/{part}").headers["Content-Language"] == "fr"
    assert french("Nom") in words_of(visitor.get("/settings/people/-/add"))


def test_an_approver_comes_to_be(service: RunningService, enter: Enter) -> None:
    """Added by one, enrolled by themselves, confirmed by another: the link is shown once and is in no address."""
    ada, bruno = enter("ada"), enter("bruno")
    page = ada.do("/settings/people/-/add", name="Zoe", title="Zoé Lefèvre", role="approver")
    assert (page.status_code, page.history) == (200, [])
    assert page.headers["Cache-Control"] == "no-store"
    (link,) = re.findall(r"http[^<\s]+/welcome\?code=([\w\-]+)", page.text)
    assert link not in ada.get("/settings/people/zoe").text
    assert httpx.get(f"{service.url}/welcome", params={"code": link}, trust_env=False).status_code == 200
    assert "waits for a second person" in words_of(ada.get("/settings/people/zoe"))
    assert "zoe" not in words_of(ada.get("/settings"))
    assert ada.get("/settings/people/zoe/confirm").status_code == 404, "who gave a role does not confirm it"
    assert "zoe" in words_of(bruno.get("/settings"))
    told = bruno.do("/settings/people/zoe/confirm")
    assert told.url.path == "/settings"
    assert "You agreed" in words_of(told)
    assert [one.counts for one in service.bascule.people.register.get("zoe").roles] == [True]


def test_somebody_is_shut_out_by_name_and_let_in_again(service: RunningService, enter: Enter) -> None:
    ada = enter("ada")
    enrol(service.bascule.database, "leo", Role.VIEWER)
    leo = enter("leo")
    wrong = ada.do("/settings/people/leo/disable", reason="left the town", confirm="lea")
    assert wrong.status_code == 422
    assert form_at(wrong).fields["reason"] == "left the town", "what was typed is still there"
    assert leo.get("/settings").status_code == 200
    done = ada.do("/settings/people/leo/disable", reason="left the town", confirm="leo")
    assert (done.url.path, "shut out" in words_of(done)) == ("/settings/people/leo", True)
    assert leo.get("/settings").status_code == 401
    done = ada.do("/settings/people/leo/enable", reason="is back")
    assert not service.bascule.people.register.get("leo").disabled
    assert done.status_code == 200


def test_roles_are_given_and_taken(service: RunningService, enter: Enter) -> None:
    ada, register = enter("ada"), service.bascule.people.register
    enrol(service.bascule.database, "nils", Role.VIEWER)
    ada.do("/settings/people/nils/grant", role="operator", service="desk")
    assert [one.grant for one in register.get("nils").roles] == [Grant(Role.OPERATOR, "desk"), Grant(Role.VIEWER)]
    twice = ada.do("/settings/people/nils/grant", role="operator", service="desk")
    assert (twice.status_code, "has the role operator there already" in twice.text) == (409, True)
    page = ada.get("/settings/people/nils/revoke?role=operator:desk")
    assert form_at(page).fields["role"] == "operator:desk"
    ada.send(page)
    assert [one.grant for one in register.get("nils").roles] == [Grant(Role.VIEWER)]
    other = ada.do("/settings/people/nils/link", subject="ftp://nowhere x")
    assert other.status_code == 422
    ada.do("/settings/people/nils/link", subject="https://sso.town.example 1f2e")
    assert register.get("nils").linked


def test_a_new_link_takes_away_what_proved_the_person(service: RunningService, enter: Enter) -> None:
    ada = enter("ada")
    enrol(service.bascule.database, "ines", Role.VIEWER)
    with service.bascule.database.write() as conn:
        people.change(conn, "ines", totp="of some app")
    assert ada.do("/settings/people/ines/invite", confirm="no").status_code == 422
    page = ada.do("/settings/people/ines/invite", confirm="ines")
    assert "/welcome?code=" in page.text
    assert service.bascule.people.register.get("ines").factors == ()


def test_a_token_is_made_once_narrowed_and_revoked_by_an_admin(service: RunningService, enter: Enter) -> None:
    olga, ada = enter("olga"), enter("ada")
    page = olga.do("/account/token", label="nightly report", operator="yes", place="desk", viewer=None, days="7")
    assert page.history == []
    (secret,) = re.findall(r"bst_[\w\-]{30,}", page.text)
    headers = {"Authorization": f"Bearer {secret}"}
    me = httpx.get(f"{service.url}/api/v1/session", headers=headers, trust_env=False).json()
    assert me["roles"] == [{"role": "operator", "service": "desk"}]
    for shown in (olga.get("/account"), ada.get("/settings/tokens")):
        assert "nightly report" in shown.text
        assert secret not in shown.text
    token = service.bascule.people.tokens.listed("olga")[0]
    assert "/settings/tokens/" in ada.get("/settings/tokens").text
    ada.do(f"/settings/tokens/{token.id}/revoke")
    assert httpx.get(f"{service.url}/api/v1/session", headers=headers, trust_env=False).status_code == 401


@pytest.mark.parametrize(
    ("filled", "said"),
    [
        ({"days": "9999"}, "from one day to a year"),
        ({"days": "soon"}, "is no number"),
        ({"viewer": None}, "one or more of the roles"),
    ],
)
def test_a_token_that_cannot_be_is_refused_and_nothing_typed_is_lost(
    enter: Enter, filled: dict[str, str | None], said: str
) -> None:
    page = enter("vera").do("/account/token", **{"label": "report", **filled})
    assert (page.status_code, said in page.text) == (422, True)
    assert form_at(page).fields["label"] == "report"


def test_who_approves_or_manages_alone_has_no_role_for_a_token(enter: Enter) -> None:
    bruno = enter("bruno")
    assert bruno.get("/account/token").status_code == 403
    assert "/account/token" not in bruno.get("/account").text


def test_a_program_is_added_and_has_tokens(service: RunningService, enter: Enter) -> None:
    ada = enter("ada")
    page = ada.do("/settings/people/-/add", name="monitor", role="viewer", program="yes")
    assert "/welcome" not in page.text
    page = ada.do("/settings/people/monitor/token", label="alerts")
    (secret,) = re.findall(r"bst_[\w\-]{30,}", page.text)
    headers = {"Authorization": f"Bearer {secret}"}
    assert httpx.get(f"{service.url}/api/v1/runs", headers=headers, trust_env=False).status_code == 200
    assert ada.get("/settings/people/vera/token").status_code == 404, "people make their own"


def test_a_secret_goes_in_and_never_comes_out(service: RunningService, enter: Enter) -> None:
    ada = enter("ada")
    page = ada.get("/settings/secrets")
    assert "prometheus" in page.text
    assert "missing" in words_of(page)
    link = "/settings/secrets/set?scope=signals&name=prometheus"
    assert link.replace("&", "&amp;") in page.text
    refused = ada.do("/settings/secrets/set", scope="signals", name="../escape", value=VALUE)
    assert (refused.status_code, VALUE in refused.text) == (422, False)
    done = ada.do(link, value=VALUE)
    assert "sealed" in words_of(done)
    reveal = service.bascule.secret_store.of("signals")
    assert reveal("secret://prometheus").reveal() == VALUE
    for path in ("/settings/secrets", link, "/settings/sources", "/settings/credentials"):
        assert VALUE not in ada.get(path).text, path
    remove = "/settings/secrets/remove?scope=signals&name=prometheus"
    assert "refers to it" in words_of(ada.get(remove))
    assert ada.do(remove, confirm="prometheu").status_code == 422
    assert [one.name for one in service.bascule.secrets.listed()] == ["prometheus"]
    ada.do(remove, confirm="prometheus")
    assert service.bascule.secrets.listed() == []


def test_plain_files_are_sealed_and_the_key_is_changed(service: RunningService, enter: Enter) -> None:
    ada, folder = enter("ada"), service.bascule.paths.secrets / "drill"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "api").write_text("in the clear")
    (folder / "api").chmod(0o600)
    assert "plain file" in words_of(ada.get("/settings/secrets"))
    page = ada.do("/settings/secrets/seal")
    assert "1 file is sealed" in words_of(page)
    assert not (folder / "api").exists()
    before = service.bascule.secret_store.keyring.ids
    page = ada.do("/settings/secrets/rotate", drop_old="yes")
    assert service.bascule.secret_store.keyring.ids[0] not in before
    assert "sealed anew" in words_of(page)
    service.bascule.secrets.remove("drill", "api", "ada")


def test_a_source_says_how_it_is_connected_and_when_it_was_heard(service: RunningService, enter: Enter) -> None:
    vera = enter("vera")
    said = words_of(vera.get("/settings/sources"))
    assert "never heard" in said
    assert f"{service.url}/webhooks/prometheus" in said
    assert "signals/prometheus" in said
    assert "Authorization" in said
    service.bascule.secrets.set("signals", "prometheus", VALUE, "ada")
    alerts = {"version": "4", "alerts": [{"status": "firing", "labels": {"alertname": "x"}, "fingerprint": "1"}]}
    headers = {"Authorization": f"Bearer {VALUE}"}
    sent = httpx.post(f"{service.url}/webhooks/prometheus", json=alerts, headers=headers, trust_env=False)
    assert sent.status_code == 202
    page = vera.get("/settings/sources")
    assert "never heard" not in words_of(page)
    assert "1 that no rule speaks of" in words_of(page)
    assert VALUE not in page.text
    service.bascule.secrets.remove("signals", "prometheus", "ada")


def test_credentials_are_examined_while_the_page_goes_on(service: RunningService, enter: Enter) -> None:
    olga = enter("olga")
    page = olga.get("/settings/credentials")
    assert "never examined" in words_of(page)
    forms = re.findall(r'name="scope" value="(\w+)"', page.text)
    assert forms == ["live", "drill", "rehearsal"]
    token = re.findall(r'name="page_token" value="(\w+)"', page.text)[0]
    sent = {"page_token": token, "scope": "live"}
    begun = olga.http.post("/settings/credentials/examine", data=sent, headers={"Origin": service.url})
    assert (begun.status_code, begun.headers["Location"]) == (
        303,
        "/settings/credentials#scope-live",
    )

    def ended() -> str | None:
        said = words_of(olga.get("/settings/credentials"))
        return said if "for olga" in said else None

    said = until(ended, 20, lambda: "the examination does not end")
    assert "a signed commit" in said
    assert "not ready" in said
    assert "not ready" in words_of(enter("ada").get("/settings")), "the overview says it, too"


def test_what_the_command_line_examines_is_on_the_page_too(service: RunningService, enter: Enter) -> None:
    assert service.http.post("/api/v1/doctor", json={"scope": "drill"}).status_code == 200
    assert "for local" in words_of(enter("olga").get("/settings/credentials"))


def test_bascule_tells_of_itself_and_whom_it_relies_on(service: RunningService, enter: Enter) -> None:
    olga = enter("olga")
    page = olga.get("/settings/itself")
    said = words_of(page)
    assert "It can take work" in said
    assert "SQLite" in said
    assert "alive" in said
    assert service.bascule.token not in page.text
    assert str(service.bascule.paths.data) not in page.text, "where it lies is for who manages"
    olga.send(page, scope="live")

    def ended() -> str | None:
        said = words_of(olga.get("/settings/itself"))
        return said if "Looked at" in said else None

    assert "Git remote of the estate" in until(ended, 20, lambda: "it is never traced")


def test_codes_are_sealed_shown_once_and_open_when_another_agrees(service: RunningService, enter: Enter) -> None:
    ada, bruno, vera = enter("ada"), enter("bruno"), enter("vera")
    assert "No codes are sealed" in words_of(vera.get("/settings/break-glass"))
    page = ada.do("/settings/break-glass/seal", codes="3", needed="2", days="30")
    codes = re.findall(r"(?:[A-Z0-9]{5}-){4}[A-Z0-9]{5}", page.text)
    assert len(codes) == 3
    assert page.history == []
    for shown in (ada, bruno, vera):
        seen = shown.get("/settings/break-glass")
        assert not any(code in seen.text for code in codes)
    opened = {"codes": codes[:2], "reason": "a fire"}
    doors = f"{service.url}/api/v1/sessions/break-glass"
    assert httpx.post(doors, json=opened, trust_env=False).status_code == 401, "they wait for a second person"
    assert ada.do("/settings/break-glass/confirm").status_code == 403, "who made them does not agree to them"
    assert "waits" not in words_of(vera.get("/settings"))
    assert "New sealed codes" in words_of(bruno.get("/settings"))
    looked_at = bruno.get("/settings/break-glass/confirm")
    page = ada.do("/settings/break-glass/seal", codes="4", needed="2", days="30")
    opened["codes"] = re.findall(r"(?:[A-Z0-9]{5}-){4}[A-Z0-9]{5}", page.text)[:2]
    answered = bruno.send(looked_at)
    assert answered.status_code == 409, "others than those on the page would open"
    assert "4 codes" in words_of(answered), "what waits now is there to be looked at"
    assert httpx.post(doors, json=opened, trust_env=False).status_code == 401
    assert "the new codes open" in words_of(bruno.do("/settings/break-glass/confirm"))
    assert httpx.post(doors, json=opened, trust_env=False).status_code == 201


def test_the_command_line_names_the_codes_that_wait_and_agrees_to_those(
    service: RunningService, enter: Enter, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASCULE_TOKEN", session(service.bascule, "bruno"))

    def said(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main(["--data", str(service.bascule.settings.data), "break-glass", *arguments])
        return int(end.value.code or 0), "".join(capsys.readouterr())

    enter("ada").do("/settings/break-glass/seal", codes="3", needed="2", days="30")
    (looked_at,) = re.findall(r"bascule break-glass confirm ([0-9a-f]{8})\n", said()[1])
    enter("ada").do("/settings/break-glass/seal", codes="2", needed="2", days="30")
    code, text = said("confirm", looked_at)
    assert (code, "look again" in text) == (1, True), text
    (waits,) = re.findall(r"bascule break-glass confirm ([0-9a-f]{8})\n", said()[1])
    assert said("confirm", waits) == (0, "The codes open from now on; those from before do not.\n")


@pytest.mark.parametrize(("codes", "needed"), [("1", "1"), ("3", "5"), ("x", "2")])
def test_codes_that_cannot_be_are_refused(enter: Enter, codes: str, needed: str) -> None:
    page = enter("ada").do("/settings/break-glass/seal", codes=codes, needed=needed)
    assert page.status_code == 422
    assert form_at(page).fields["needed"] == needed


def test_everything_of_a_copys_time_ends_when_it_is_typed(service: RunningService, enter: Enter) -> None:
    ada, vera = enter("ada"), enter("vera")
    assert ada.do("/settings/people/-/after-restore", reason="put back", confirm="ada").status_code == 422
    assert vera.get("/settings").status_code == 200
    page = ada.do("/settings/people/-/after-restore", reason="put back", confirm="end everything")
    assert re.search(r"Ended: [1-9]\d* sessions", words_of(page))
    assert {one.get("/settings").status_code for one in (ada, vera)} == {401}
    assert service.bascule.people.tokens.listed() == []
