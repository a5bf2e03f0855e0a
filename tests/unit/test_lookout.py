"""What an estate's block `probes` comes to: the looks, what each is called, and what its author is advised."""

from typing import Any

import yaml

from orchestrator.catalogue_files import shipped
from orchestrator.domain.bundle import Bundle, read_bundle
from orchestrator.domain.problem import Problem
from orchestrator.domain.signals.lookout import Lookout, lookout_of, spoken_of
from orchestrator.domain.signals.probes import Probes
from orchestrator.domain.usage import usage_of
from orchestrator.operations.probing import watched_by
from tests.unit.test_cases import valid_estate

SITES = {
    f"control-{name}": {"country": country, "uses": "probe.http", "with": {"url": f"https://{name}.example/"}}
    for name, country in (("paris", "FR"), ("berlin", "DE"), ("boston", "US"))
}


def read(**probes: Any) -> tuple[Bundle | None, list[Problem]]:
    estate = valid_estate()
    block = yaml.safe_dump({"signals": {"probes": {"scope": "rehearsal", **probes}}})
    return read_bundle({**estate, "bascule.yaml": estate["bascule.yaml"] + block.encode()}, shipped())


def lookout(**probes: Any) -> Lookout:
    return lookout_of(Probes.model_validate({"scope": "live", **probes}), {"microsoft-365", "aws"}, shipped())


def test_all_vendors_that_services_depend_on_are_watched_by_default() -> None:
    bundle, problems = read()
    assert problems == []
    assert bundle is not None
    watched = watched_by("abc", bundle)
    assert watched is not None
    assert {look.vendor for look in watched.lookout.looks} == {"aws"}
    assert lookout(vendors={"zoom": {}}).looks[0].vendor == "zoom"
    assert lookout(vendors={}).looks == ()


def test_sensors_of_the_catalogue_get_their_parameters_names_and_times() -> None:
    given = {"microsoft-365": {"parameters": {"tenant": "valbourg.example"}, "every": "10m"}, "teams": {}}
    looks = {look.key: look for look in lookout(vendors=given, every="2m").looks}
    tenant = looks["microsoft-365.auth.auth"]
    assert tenant.with_["url"].startswith("https://login.microsoftonline.com/valbourg.example/")
    assert (tenant.every, looks["teams.tls.tls"].every) == (600.0, 120.0)
    assert tenant.denials == shipped().vendors["microsoft-365"].denials
    assert "/common/" in str(looks["teams.auth.auth"].with_)
    assert len(looks) == len({*looks}), "every sensor has a name of its own"


def test_of_two_sensors_for_one_aspect_each_has_a_name() -> None:
    for vendor in shipped().vendors:
        keys = [look.key for look in lookout(vendors={vendor: {}}).looks]
        assert len(keys) == len({*keys}) == len(shipped().vendors[vendor].sensors)


def test_controls_and_own_sensors_look_as_well() -> None:
    token = {"url": "https://login.example/token", "client_id": "canary", "client_secret": "secret://canary"}
    mayor = {"vendor": "aws", "aspect": "auth", "account": "mayor", "uses": "probe.token", "with": token}
    feed = {"vendor": "aws", "aspect": "freshness", "uses": "probe.tls", "with": {"host": "a"}, "value": "overdue"}
    found = lookout(vendors={}, controls=SITES, accounts={"mayor-token": mayor}, sensors={"renewal": feed})
    seen = [found.observed(look, 7.0, "ok", 3.0) for look in found.looks]
    assert [one.vendor for one in seen if one.is_control] == list(SITES)
    assert [(one.sensor, one.account) for one in seen if not one.is_control] == [
        ("renewal", None),
        ("mayor-token", "mayor"),
    ]
    assert {(one.trust_domain, one.vantage, one.at) for one in seen} == {("own-probes", "own", 7.0)}
    assert found.looks[-2].measure == "overdue"


def test_who_has_too_few_controls_is_advised_and_not_refused() -> None:
    def advice(**probes: Any) -> list[str]:
        bundle, problems = read(**probes)
        assert problems == []
        assert bundle is not None
        assert all(one.file == "bascule.yaml" and one.line > 1 and one.remedy for one in bundle.advice)
        return [one.message for one in bundle.advice]

    assert advice(controls=SITES) == []
    assert len(advice()) == 2
    assert any("1 of the two controls" in one for one in advice(controls={"control-paris": SITES["control-paris"]}))
    [american] = advice(controls={name: SITES[name] for name in ("control-paris", "control-berlin")})
    assert "American" in american
    assert advice(scope="drill", controls=SITES) == [
        "The scope `drill` has no `dns.resolvers`: no probe can look a name up."
    ]


def test_secrets_of_probes_are_needed_in_their_scope_alone() -> None:
    token = {"url": "https://login.example/token", "client_id": "canary", "client_secret": "secret://canary"}
    sensor = {"vendor": "aws", "aspect": "auth", "uses": "probe.token", "with": token}
    bundle, problems = read(sensors={"token": sensor})
    assert problems == []
    assert bundle is not None
    assert "secret://canary" in usage_of(bundle, "rehearsal").secrets
    assert "secret://canary" not in usage_of(bundle, "drill").secrets


def test_whom_a_source_of_observations_may_speak_of() -> None:
    probes = Probes.model_validate({"scope": "live", "vendors": {"zoom": {}}})
    assert spoken_of(probes, {"aws"}) == {"aws", "zoom"}
    assert spoken_of(None, {"aws"}) == {"aws"}
