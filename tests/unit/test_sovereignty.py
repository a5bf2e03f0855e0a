"""The gate's decision: what is below the policy, by which record, what an exception lifts; stricter never passes."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.catalogue_files import shipped
from orchestrator.domain.catalogue import Catalogue, Target, Vendor
from orchestrator.domain.policy import RULES, Exemption, Least, Policy, Sovereignty, within
from orchestrator.domain.sovereignty import Place, Sighting, Verdict, judge, refusal

TODAY = date(2026, 11, 25)
SEEN = datetime(2026, 11, 25, 9, 30, tzinfo=UTC).timestamp()
SOURCE: dict[str, Any] = {"url": "https://dns.example/", "says": "x", "date": "2026-11-20"}
EUROPEAN = Least(operated_from=("EEA",), controlled_from=("EEA",))
ROUTE_53 = Sighting(
    part="name-servers", record="NS ns-1.awsdns-01.com. of post.example", name="ns-1.awsdns-01.com", at=SEEN
)


def vendor(name: str, country: str, **more: Any) -> Vendor:
    head = {"vendor": name, "title": {"fr": name.upper(), "en": name.upper()}, "company": f"{name} Ltd"}
    owned = {"jurisdiction": "LU", "control": {"owner": f"{name} Inc.", "country": country}, "serves": ["dns"]}
    return Vendor.model_validate({**head, **owned, "sources": [SOURCE], **more})


def target(name: str = "post", country: str = "FR", **more: Any) -> Target:
    head = {"target": name, "title": {"fr": name, "en": name}, "company": f"{name} SAS", "recipe": "mail"}
    owned = {"jurisdiction": "FR", "control": {"owner": f"{name} SAS", "country": country}, "serves": ["mail"]}
    rest = {"onboarding": {"how": "wizard", "steps": [{"fr": "x", "en": "x"}]}}
    return Target.model_validate({**head, **owned, **rest, "sources": [SOURCE], **more})


def foundation(part: str, country: str, name: str | None = None, *, verified: bool = True) -> dict[str, Any]:
    source = {**SOURCE, "verified": verified}
    return {"part": part, "operator": name or "Somebody", "country": country, "vendor": name, "source": source}


def catalogue(*products: Vendor | Target) -> Catalogue:
    vendors = {one.vendor: one for one in products if isinstance(one, Vendor)}
    return Catalogue(vendors, {one.target: one for one in products if isinstance(one, Target)})


AWS = vendor("aws", "US", recognised={"ns": ["*.awsdns-01.com"]})


def verdict(least: Least, known: Catalogue, *exceptions: Exemption, today: date = TODAY, **more: Any) -> Verdict:
    policy = Sovereignty(default=least, exceptions=exceptions)
    return judge(policy, Place("mail", "post"), known, today, **more)


def exemption(rule: str = "controlled_from", **more: Any) -> Exemption:
    said = {
        "service": "mail",
        "target": "post",
        "rule": rule,
        "reason": "Moving away",
        "until": "2027-03-31",
        "by": "Anne",
    }
    return Exemption.model_validate({**said, **more})


def test_a_european_target_may_be_relied_on() -> None:
    assert verdict(EUROPEAN, catalogue(target())) == Verdict(service="mail", place="post")


def test_without_a_policy_everything_may() -> None:
    assert verdict(Least(), catalogue(target(country="US"))).ok


def test_the_european_offer_of_aws_is_controlled_from_the_united_states() -> None:
    found = judge(Sovereignty(default=EUROPEAN), Place("portal", "aws-european-sovereign"), shipped(), TODAY)
    (reason,) = found.reasons
    assert reason.rule == "controlled_from"
    assert str(reason) == (
        "is controlled from US (Amazon.com, Inc.) where the policy asks for EEA "
        "(targets/aws-european-sovereign.yaml: control)"
    )
    assert refusal([found]).startswith(
        "The policy in bascule.yaml refuses aws-european-sovereign for portal: it is controlled from US"
    )


@pytest.mark.parametrize(
    ("least", "more", "told", "record"),
    [
        (Least(operated_from=("EEA",)), {"jurisdiction": "CH"}, "is operated from CH (post SAS)", "jurisdiction"),
        (Least(operated_from=("EEA",)), {"hosting": ["FR", "US"]}, "keeps data in US", "hosting"),
        (Least(secnumcloud=True), {}, "has no SecNumCloud qualification", "assurance"),
        (Least(levels={"SOV-1": 2}), {}, "has no known level in SOV-1 where 2 is asked", "assurance"),
        (Least(levels={"SOV-1": 2}), {"assurance": {"levels": {"SOV-1": 1}}}, "has SEAL-1 in SOV-1", "assurance"),
    ],
)
def test_what_is_below_is_told_with_its_fact(least: Least, more: dict[str, Any], told: str, record: str) -> None:
    (reason,) = verdict(least, catalogue(target(**more))).reasons
    assert told in reason.says
    assert reason.record == f"targets/post.yaml: {record}"


def test_what_is_attested_passes() -> None:
    attested: dict[str, Any] = {"assurance": {"secnumcloud": True, "levels": {"SOV-1": 3}}}
    assert verdict(Least(secnumcloud=True, levels={"SOV-1": 2}), catalogue(target(**attested))).ok


def test_a_services_own_words_replace_the_default_rule_by_rule() -> None:
    own = Least(operated_from=("FR", "CH"), levels={"SOV-2": 1})
    policy = Sovereignty(default=Least(controlled_from=("EEA",), levels={"SOV-1": 2}), services={"mail": own})
    assert policy.least("mail") == Least(
        operated_from=("FR", "CH"), controlled_from=("EEA",), levels={"SOV-1": 2, "SOV-2": 1}
    )
    assert policy.least("other").levels == {"SOV-1": 2}


@pytest.mark.parametrize(
    ("country", "places", "inside"),
    [
        ("FR", ["EU"], True),
        ("NO", ["EU"], False),
        ("NO", ["EEA"], True),
        ("CH", ["EEA"], False),
        ("CH", ["EEA", "CH"], True),
        ("EU", ["EEA"], True),
        ("GB", ["EEA"], False),
        ("DE", ["FR"], False),
    ],
)
def test_areas(country: str, places: list[str], inside: bool) -> None:
    assert within(country, places) is inside


def test_a_foundation_counts_and_its_source_is_told() -> None:
    known = catalogue(target(foundations=[foundation("name-servers", "US", "aws")]), AWS)
    (reason,) = verdict(EUROPEAN, known).reasons
    assert (reason.rule, reason.stands_on) == ("controlled_from", "name-servers")
    assert reason.says == "stands on name servers of aws, of US where the policy asks for EEA"
    assert reason.record == "targets/post.yaml: foundations[0], https://dns.example/ of 2026-11-20"


def test_foundations_count_all_the_way_down_and_round_in_circles() -> None:
    middle = vendor("host", "FR", jurisdiction="FR", foundations=[foundation("certificates", "FR", "authority")])
    authority = vendor("authority", "US", jurisdiction="US", foundations=[foundation("hosting", "FR", "host")])
    known = catalogue(target(foundations=[foundation("hosting", "FR", "host")]), middle, authority)
    found = verdict(EUROPEAN, known).reasons
    assert [(one.rule, one.stands_on, one.record) for one in found] == [
        ("operated_from", "hosting", "vendors/authority.yaml: jurisdiction"),
        ("controlled_from", "hosting", "vendors/authority.yaml: control"),
    ]
    assert found[1].says.startswith(
        "stands on hosting of host, which stands on certificates of authority, which is controlled from US"
    )


def test_what_nobody_verified_is_a_doubt() -> None:
    known = catalogue(target(foundations=[foundation("subprocessor", "US", verified=False)]))
    found = verdict(EUROPEAN, known)
    assert found.ok
    assert "is said to stand on a subprocessor of Somebody, US; nobody verified it" in found.doubts[0]


def test_what_was_seen_counts_with_the_record() -> None:
    (reason,) = verdict(EUROPEAN, catalogue(target(), AWS), sightings=[ROUTE_53, ROUTE_53]).reasons
    assert (reason.rule, reason.stands_on) == ("controlled_from", "name-servers")
    assert reason.record == (
        "NS ns-1.awsdns-01.com. of post.example, seen at 2026-11-25 09:30 UTC; vendors/aws.yaml: control"
    )
    assert "stands on name servers of AWS, which is controlled from US" in reason.says


def test_its_own_servers_and_those_of_nobody_known_are_no_reason() -> None:
    own = target(country="US", recognised={"ns": ["*.awsdns-01.com"]})
    found = verdict(Least(controlled_from=("EEA",)), catalogue(own), sightings=[ROUTE_53])
    assert [one.stands_on for one in found.reasons] == [None]
    assert verdict(EUROPEAN, catalogue(target()), sightings=[ROUTE_53]).ok


def test_a_provider_that_nobody_knows_is_shown_or_refused() -> None:
    place = Place("portal", None, "s3.nobody.example", ("storage target",))
    shown = judge(Sovereignty(default=EUROPEAN), place, catalogue(), TODAY)
    assert shown.ok
    assert "was not judged" in shown.doubts[0]
    strict = Sovereignty(default=Least(unknown="refuse"))
    refused = judge(strict, place, catalogue(), TODAY)
    assert [one.rule for one in refused.reasons] == ["unknown"]
    ours = exemption("unknown", service="portal", target="s3.nobody.example")
    assert judge(strict.model_copy(update={"exceptions": (ours,)}), place, catalogue(), TODAY).ok


def test_who_only_answers_for_names_needs_no_qualification() -> None:
    policy = Sovereignty(default=Least(secnumcloud=True, controlled_from=("EEA",)))
    place = Place("mail", "post", roles=("dns town.example",), keeps_data=False)
    assert judge(policy, place, catalogue(target()), TODAY).ok
    assert not judge(policy, place, catalogue(target(country="US")), TODAY).ok


def test_an_exception_lifts_its_rule_until_its_day_and_is_shown() -> None:
    known = catalogue(target(country="US", jurisdiction="US"))
    found = verdict(EUROPEAN, known, exemption(), today=date(2027, 3, 31))
    assert [one.rule for one in found.reasons] == ["operated_from"]
    assert [(one.reason.rule, one.because, one.by) for one in found.lifted] == [
        ("controlled_from", "Moving away", "Anne")
    ]
    later = verdict(EUROPEAN, known, exemption(), today=date(2027, 4, 1))
    assert [one.rule for one in later.reasons] == ["operated_from", "controlled_from"]
    assert later.expired == ("The exception of Anne for `controlled_from` ended on 2027-03-31.",)
    assert "ended on 2027-03-31" in refusal([later])


def test_an_exception_for_a_foundation_does_not_lift_the_target_itself() -> None:
    known = catalogue(target(country="US", foundations=[foundation("name-servers", "US", "aws")]), AWS)
    found = verdict(EUROPEAN, known, exemption(stands_on="name-servers"))
    assert [one.stands_on for one in found.reasons] == [None]
    assert [one.reason.stands_on for one in found.lifted] == ["name-servers"]


def test_only_the_foundations_that_are_named_are_asked() -> None:
    stands = [foundation("certificates", "US"), foundation("hosting", "FR", "host")]
    host = vendor("host", "FR", jurisdiction="FR", foundations=[foundation("certificates", "US")])
    known = catalogue(target(foundations=stands), host)
    asked = Least(controlled_from=("EEA",), stands_on=("hosting", "name-servers"))
    assert verdict(asked, known).ok
    everything = verdict(Least(controlled_from=("EEA",)), known)
    assert [one.stands_on for one in everything.reasons] == ["certificates", "hosting"]


def test_the_example_of_the_documentation_is_a_policy() -> None:
    text = (Path(__file__).parents[2] / "docs" / "sovereignty.md").read_text(encoding="utf-8")
    example = yaml.safe_load(text.split("```yaml")[1].split("```")[0])
    policy = Policy.model_validate(example["policy"]).sovereignty
    assert policy.least("identity").secnumcloud
    assert policy.exceptions[0].until == date(2027, 3, 31)


COUNTRIES = st.sampled_from(["FR", "DE", "NO", "CH", "US", "EU"])
PARTS = st.sampled_from(["name-servers", "hosting", "certificates"])
PLACES = st.none() | st.lists(st.sampled_from(["EU", "EEA", "CH", "FR", "US"]), min_size=1, max_size=3).map(tuple)
LEVELS = st.dictionaries(st.sampled_from(["SOV-1", "SOV-2"]), st.integers(0, 4))
LEASTS = st.builds(
    Least,
    operated_from=PLACES,
    controlled_from=PLACES,
    secnumcloud=st.none() | st.booleans(),
    levels=LEVELS,
    stands_on=st.none() | st.lists(PARTS, max_size=3).map(tuple),
    unknown=st.none() | st.sampled_from(["show", "refuse"]),
)
SIGHTINGS = st.lists(st.builds(lambda part: Sighting(part=part, record="x", name="ns.one.example", at=SEEN), PARTS))


@st.composite
def worlds(draw: st.DrawFn) -> Catalogue:
    """Three products that stand on each other in any way."""
    names = ["post", "one", "two"]

    def stands(me: str) -> list[dict[str, Any]]:
        on = draw(st.lists(st.tuples(PARTS, COUNTRIES, st.sampled_from([*names, None])), max_size=2))
        return [foundation(part, country, name) for part, country, name in on if name != me]

    assurance = {"secnumcloud": draw(st.booleans()), "levels": draw(LEVELS)}
    post = target(
        country=draw(COUNTRIES), jurisdiction=draw(COUNTRIES), assurance=assurance, foundations=stands("post")
    )
    shown = {"ns": ["*.one.example"], "hosts": ["*.one.example"]}
    others = [
        vendor(
            name,
            draw(COUNTRIES),
            jurisdiction=draw(COUNTRIES),
            foundations=stands(name),
            recognised=shown if name == "one" else {},
        )
        for name in names[1:]
    ]
    return catalogue(post, *others)


def stricter(least: Least, more: Least) -> Least:
    """Everything that both ask."""

    def either(mine: tuple[Any, ...] | None, theirs: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        return None if mine is None or theirs is None else (*mine, *theirs)

    def both(mine: tuple[str, ...] | None, theirs: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Places that are in both; nowhere at all is written as a country that nobody is in."""
        if mine is None or theirs is None:
            return mine or theirs
        every = ["FR", "DE", "NO", "CH", "US", "EU"]
        return tuple(one for one in every if within(one, mine) and within(one, theirs) and one != "EU") or ("AQ",)

    levels = {name: max(least.levels.get(name, 0), more.levels.get(name, 0)) for name in {*least.levels, *more.levels}}
    return Least(
        operated_from=both(least.operated_from, more.operated_from),
        controlled_from=both(least.controlled_from, more.controlled_from),
        secnumcloud=bool(least.secnumcloud or more.secnumcloud),
        levels=levels,
        stands_on=either(least.stands_on, more.stands_on),
        unknown="refuse" if "refuse" in (least.unknown, more.unknown) else "show",
    )


@given(worlds(), LEASTS, LEASTS, SIGHTINGS)
def test_a_stricter_policy_never_lifts_a_refusal(
    known: Catalogue, least: Least, more: Least, seen: list[Sighting]
) -> None:
    before = {(one.rule, one.stands_on) for one in verdict(least, known, sightings=seen).reasons}
    after = {(one.rule, one.stands_on) for one in verdict(stricter(least, more), known, sightings=seen).reasons}
    assert before <= after


EXEMPTIONS = st.lists(
    st.builds(
        exemption,
        st.sampled_from(RULES),
        stands_on=st.none() | PARTS,
        until=st.dates(date(2026, 1, 1), date(2028, 1, 1)),
    )
)


@given(worlds(), LEASTS, EXEMPTIONS)
def test_exceptions_lift_only_their_rules(known: Catalogue, least: Least, exceptions: list[Exemption]) -> None:
    without, found = verdict(least, known), verdict(least, known, *exceptions)
    assert sorted(map(str, without.reasons)) == sorted(
        [*map(str, found.reasons), *(str(one.reason) for one in found.lifted)]
    )
    valid = {(one.rule, one.stands_on) for one in exceptions if one.until >= TODAY}
    assert {(one.reason.rule, one.reason.stands_on) for one in found.lifted} <= valid
    assert not {(one.rule, one.stands_on) for one in found.reasons} & valid
