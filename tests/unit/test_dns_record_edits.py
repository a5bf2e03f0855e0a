"""Edits of record sets that others write into as well: what comes of them, and what they leave alone."""

from typing import Any

import pytest
from pydantic import ValidationError

from providers.base import ProviderError
from providers.dns.record_edits import CannotEditError, edited, text_of, wanted_sets
from providers.dns.record_sets import RecordSet, canonical_values
from providers.wants import Record, Records

ZONE = "valbourg.example"


def txt(*texts: str, ttl: int = 3600, name: str = "@") -> RecordSet:
    if not texts:
        return RecordSet(name, "TXT")
    return RecordSet(name, "TXT", ttl, canonical_values("TXT", texts, ZONE))


def after(before: RecordSet, **edit: Any) -> RecordSet:
    return edited(Record(name=before.name, type=before.type, **edit), before, ZONE)


def texts(found: RecordSet) -> list[str]:
    return sorted(text_of(value) for value in found.values)


def spf(text: str, **edit: list[str]) -> str:
    (found,) = texts(after(txt(text), spf=edit))
    return found


def test_values_join_and_leave_those_there() -> None:
    found = after(txt("theirs", "old"), add=["ours", "theirs"], remove=["old", "never there"])
    assert texts(found) == ["ours", "theirs"]
    assert found.ttl == 3600


def test_a_set_that_loses_its_last_value_is_gone_and_a_new_one_has_the_usual_ttl() -> None:
    assert after(txt("old"), remove=["old"]) == RecordSet("@", "TXT")
    assert after(txt(), add=["ours"]).ttl == 300
    assert after(txt(), add=["ours"], ttl=60).ttl == 60
    assert after(txt("theirs"), add=["ours"], ttl=60).ttl == 60


def test_values_of_any_type_are_compared_as_dns_does() -> None:
    before = RecordSet("@", "MX", 300, canonical_values("MX", ["10 mx.old.example."], ZONE))
    found = after(before, add=["20 mail"], remove=["10 MX.old.example."])
    assert found.values == (f"20 mail.{ZONE}.",)


@pytest.mark.parametrize(
    ("there", "include", "exclude", "expected"),
    [
        ("v=spf1 include:a.example -all", ["b.example"], [], "v=spf1 include:a.example include:b.example -all"),
        ("v=spf1 ip4:192.0.2.1 ~all", ["b.example", "c.example"], [],
         "v=spf1 ip4:192.0.2.1 include:b.example include:c.example ~all"),
        ("V=SPF1 mx ?ALL", ["b.example"], [], "V=SPF1 mx include:b.example ?ALL"),
        ("v=spf1 redirect=r.example", ["b.example"], [], "v=spf1 include:b.example redirect=r.example"),
        ("v=spf1 mx", ["b.example"], [], "v=spf1 mx include:b.example"),
        ("v=spf1", ["b.example"], [], "v=spf1 include:b.example"),
        ("v=spf1  include:B.example.   -all", ["b.example"], [], "v=spf1  include:B.example.   -all"),
        ("v=spf1 +include:b.example -all", ["b.example"], [], "v=spf1 +include:b.example -all"),
        ("v=spf1 -include:b.example -all", ["b.example"], [], "v=spf1 include:b.example -all"),
        ("v=spf1 include:a.example include:b.example -all", [], ["A.example"], "v=spf1 include:b.example -all"),
        ("v=spf1 include:a.example -all", ["b.example"], ["a.example"], "v=spf1 include:b.example -all"),
        ("v=spf1 redirect=a.example", ["b.example"], ["a.example"], "v=spf1 include:b.example ~all"),
        ("v=spf1 exists:%{i}.a.example -all", [], ["a.example"], "v=spf1 exists:%{i}.a.example -all"),
    ],
)  # fmt: skip
def test_spf_gains_and_loses_includes(there: str, include: list[str], exclude: list[str], expected: str) -> None:
    assert spf(there, include=include, exclude=exclude) == expected
    assert spf(expected, include=include, exclude=exclude) == expected


def test_spf_leaves_the_other_texts_alone() -> None:
    found = after(txt("v=spf10 is none", "MS=ms1", "v=spf1 -all"), spf={"include": ["b.example"]})
    assert texts(found) == ["MS=ms1", "v=spf1 include:b.example -all", "v=spf10 is none"]


def test_a_domain_without_spf_gets_a_careful_one() -> None:
    assert texts(after(txt("theirs"), spf={"include": ["b.example"]})) == ["theirs", "v=spf1 include:b.example ~all"]
    assert after(txt("theirs"), spf={"exclude": ["b.example"]}) == txt("theirs")


def test_two_spf_records_are_refused() -> None:
    with pytest.raises(CannotEditError, match="2 SPF records at @ TXT in valbourg") as caught:
        after(txt("v=spf1 -all", "v=spf1 mx -all"), spf={"include": ["b.example"]})
    assert caught.value.permanent


def test_a_long_record_is_cut_and_joined_as_the_wire_needs() -> None:
    long = "v=spf1 " + " ".join(f"ip4:192.0.2.{n}" for n in range(30)) + " -all"
    (value,) = after(txt(long), spf={"include": ["b.example"]}).values
    assert text_of(value) == long.replace("-all", "include:b.example -all")
    assert max(len(part) for part in value.split('" "')) <= 257


@pytest.mark.parametrize(
    ("there", "at_most", "expected"),
    [
        ("v=DMARC1; p=reject; rua=mailto:d@a.example", "quarantine", "v=DMARC1; p=quarantine; rua=mailto:d@a.example"),
        ("v=DMARC1;p=reject;sp=reject", "quarantine", "v=DMARC1;p=quarantine;sp=quarantine"),
        ("v=DMARC1; p=none; sp=reject", "quarantine", "v=DMARC1; p=none; sp=quarantine"),
        ("v=DMARC1; p=quarantine", "none", "v=DMARC1; p=none"),
        ("v=DMARC1; p=none", "quarantine", "v=DMARC1; p=none"),
        ("v=DMARC1; P = Reject ; adkim=s", "quarantine", "v=DMARC1; P = quarantine ; adkim=s"),
        ("v=DMARC1; p=quarantine; rua=mailto:p=reject@a.example", "quarantine",
         "v=DMARC1; p=quarantine; rua=mailto:p=reject@a.example"),
        ("about v=DMARC1; p=reject", "quarantine", "about v=DMARC1; p=reject"),
    ],
)  # fmt: skip
def test_dmarc_is_lowered_and_never_raised(there: str, at_most: str, expected: str) -> None:
    assert texts(after(txt(there, name="_dmarc"), dmarc={"at_most": at_most})) == [expected]


def test_mta_sts_gets_another_id_that_the_old_one_decides() -> None:
    before = txt("v=STSv1; id=20160831085700Z;", name="_mta-sts")
    (once,) = texts(after(before, mta_sts="renew"))
    assert after(before, mta_sts="renew") == after(before, mta_sts="renew")
    assert once != "v=STSv1; id=20160831085700Z;"
    version, told, end = once.split(";")
    assert (version, end) == ("v=STSv1", "")
    assert told.startswith(" id=")
    assert told[4:].isalnum()
    assert len(told[4:]) <= 32
    (twice,) = texts(after(txt(once, name="_mta-sts"), mta_sts="renew"))
    assert twice != once


@pytest.mark.parametrize("edit", [{"dmarc": {"at_most": "none"}}, {"mta_sts": "renew"}, {"remove": ["x"]}])
def test_an_edit_of_nothing_is_nothing(edit: dict[str, Any]) -> None:
    assert after(txt(), **edit) == txt()


def test_a_step_may_give_some_record_sets_and_edit_others() -> None:
    records = [
        Record(name="@", type="MX", values=["10 mx.mailo.com."]),
        Record(name="@", type="TXT", add=["ours"], spf={"include": ["mailo.com"]}),
    ]
    found = {one.key: one for one in wanted_sets(Records(zone=ZONE, records=records), (txt("v=spf1 -all"),))}
    assert found["@", "MX"].values == ("10 mx.mailo.com.",)
    assert texts(found["@", "TXT"]) == ["ours", "v=spf1 include:mailo.com -all"]


def test_a_value_out_of_form_is_refused() -> None:
    with pytest.raises(ProviderError, match="not in zone-file form"):
        edited(Record(name="@", type="A", add=["192.0.2.300"]), RecordSet("@", "A"), ZONE)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"values": ["a"], "add": ["b"]}, "either given or edited"),
        ({"state": "absent", "remove": ["b"]}, "either given or edited"),
        ({"type": "MX", "dmarc": {"at_most": "none"}}, "MX holds no text"),
        ({"spf": {"include": ["A.example"], "exclude": ["a.example"]}}, "both include and no longer include"),
        ({}, "needs values"),
    ],
)
def test_a_record_says_one_thing(said: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Record.model_validate({"name": "@", "type": "TXT", **said})
