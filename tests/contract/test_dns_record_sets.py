"""Record sets as values: canonical form, comparison, whose state it is, and the update message."""

import itertools
import string

import dns.rdata
import pytest
from dns.rdtypes.ANY.TXT import TXT
from hypothesis import given
from hypothesis import strategies as st

from providers.base import Presence, ProviderError
from providers.dns.endpoint import Endpoint, endpoint
from providers.dns.record_edits import wanted_sets
from providers.dns.record_sets import (
    RecordSet,
    RecordSets,
    canonical_values,
    changed,
    from_json,
    only,
    presence,
    relative,
)
from providers.dns.rfc2136 import update_message
from providers.dns.swap import Swap
from providers.reach import allowed
from providers.wants import Record, Records

ZONE = "valbourg.example"

labels = st.text(string.ascii_letters + string.digits, min_size=1, max_size=12)
hosts = st.lists(labels, min_size=1, max_size=3).map(".".join)
mxs = st.builds("{} {}.".format, st.integers(0, 65535), hosts)
srvs = st.builds("{} {} {} {}.".format, *[st.integers(0, 65535)] * 3, hosts)
unquoted = st.text(max_size=1200).filter(lambda text: not text.lstrip().startswith('"'))
values = st.one_of(
    st.tuples(st.just("MX"), st.lists(mxs, min_size=1, max_size=4)),
    st.tuples(st.just("SRV"), st.lists(srvs, min_size=1, max_size=4)),
    st.tuples(st.just("A"), st.lists(st.ip_addresses(v=4).map(str), min_size=1, max_size=4)),
    st.tuples(st.just("AAAA"), st.lists(st.ip_addresses(v=6).map(lambda ip: ip.exploded), min_size=1, max_size=4)),
    st.tuples(st.just("TXT"), st.lists(unquoted, min_size=1, max_size=3)),
)
sets = st.builds(
    RecordSet, st.sampled_from(["@", "www", "mail"]), st.just("A"), st.just(300), st.sampled_from([("192.0.2.1",), ()])
)


@given(values)
def test_the_canonical_form_is_its_own_canonical_form(case: tuple[str, list[str]]) -> None:
    once = canonical_values(*case, ZONE)
    assert canonical_values(case[0], once, ZONE) == once


@given(values, st.randoms(use_true_random=False))
def test_order_repetition_and_letter_case_of_names_do_not_count(case: tuple[str, list[str]], random: object) -> None:
    kind, texts = case
    other = [text if kind == "TXT" else text.upper() for text in reversed([*texts, texts[0]])]
    assert canonical_values(kind, other, ZONE) == canonical_values(kind, texts, ZONE)


@given(unquoted)
def test_unquoted_text_is_kept_byte_for_byte_in_strings_that_fit(text: str) -> None:
    (value,) = canonical_values("TXT", [text], ZONE)
    rdata = dns.rdata.from_text("IN", "TXT", value)
    assert isinstance(rdata, TXT)
    assert b"".join(rdata.strings) == text.encode()
    lengths: list[int] = [len(each) for each in rdata.strings]
    assert lengths[:-1] == [255] * (len(lengths) - 1)


@pytest.mark.parametrize(
    ("kind", "text", "canonical"),
    [
        ("MX", "10 mail", "10 mail.valbourg.example."),
        ("MX", "10 Mail.Valbourg.Example.", "10 mail.valbourg.example."),
        ("CNAME", "@", "valbourg.example."),
        ("TXT", 'v=spf1 "x" ~all', '"v=spf1 \\"x\\" ~all"'),
        ("TXT", '"two" "strings"', '"two" "strings"'),
        ("TXT", "", '""'),
        ("CAA", '0 issue "letsencrypt.org"', '0 issue "letsencrypt.org"'),
    ],
)
def test_canonical_forms(kind: str, text: str, canonical: str) -> None:
    assert canonical_values(kind, [text], ZONE) == (canonical,)


def test_a_relative_name_in_a_value_is_each_zones_own() -> None:
    for zone in ("a.example", "b.example"):
        assert canonical_values("MX", ["10 Mail", "5 MX.other.example."], zone) == (
            f"10 mail.{zone}.",
            "5 mx.other.example.",
        )
        assert canonical_values("CNAME", ["@"], zone) == (f"{zone}.",)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.example.", "@"),
        ("A.Example.", "@"),
        ("_imaps._TCP.a.example.", "_imaps._tcp"),
        ("*.a.example.", "*"),
        ("one\\.label.a.example.", "one\\.label"),
        ("\\065.a.example.", "a"),
        ("bücher.a.example.", "xn--bcher-kva"),
        ("other.example.", "other.example."),
        ("aa.example.", "aa.example."),
    ],
)
def test_names_relative_to_the_zone(name: str, found: str) -> None:
    assert relative(name, "a.example") == found


def test_record_sets_survive_the_journal() -> None:
    want = Records(
        zone=ZONE,
        records=[
            Record(name="www", type="TXT", values=['"é"', "b;c"]),
            Record(name="@", type="MX", state="absent"),
        ],
    )
    written = wanted_sets(want)
    assert [one.key for one in written] == [("@", "MX"), ("www", "TXT")]
    assert from_json([one.as_json() for one in written]) == written


def test_a_record_set_wanted_twice_is_refused() -> None:
    record = Record(name="www", type="A", values=["192.0.2.1"])
    with pytest.raises(ProviderError, match="more than once"):
        wanted_sets(Records(zone=ZONE, records=[record, record.model_copy(update={"name": "WWW"})]))


OLD, NEW, OTHER = ((RecordSet("www", "A", 300, (f"192.0.2.{n}",)),) for n in (1, 2, 3))


@pytest.mark.parametrize(
    ("before", "current", "verdict"),
    [
        (None, NEW, Presence.ALREADY),
        (None, OLD, Presence.ABSENT),
        (NEW, NEW, Presence.ALREADY),
        (NEW, OLD, Presence.CONFLICT),
        (OLD, NEW, Presence.OURS),
        (OLD, OLD, Presence.ABSENT),
        (OLD, OTHER, Presence.CONFLICT),
    ],
)
def test_whose_state_it_is(before: RecordSets | None, current: RecordSets, verdict: Presence) -> None:
    assert presence(before, current, wanted=NEW) is verdict


@given(st.lists(sets, unique_by=lambda one: one.key), st.lists(sets, unique_by=lambda one: one.key))
def test_what_is_changed_is_all_that_differs(left: list[RecordSet], right: list[RecordSet]) -> None:
    one, other = tuple(left), tuple(right)
    keys = changed(one, other)
    assert keys == changed(other, one)
    rest = {key for key, _ in itertools.chain(((s.key, s) for s in one), ((s.key, s) for s in other))} - keys
    assert set(only(one, rest)) == set(only(other, rest))
    assert all(only(one, {key}) != only(other, {key}) for key in keys)


def test_the_message_expects_every_record_set_and_never_empties_the_zones_name_servers() -> None:
    old = (
        RecordSet("@", "NS", 60, ("ns1.valbourg.example.", "ns2.valbourg.example.")),
        RecordSet("gone", "CNAME", 60, ("x.",)),
        RecordSet("gone", "A"),
    )
    new = (
        RecordSet("@", "NS", 90, ("ns2.valbourg.example.", "ns3.valbourg.example.")),
        RecordSet("gone", "CNAME"),
        RecordSet("gone", "A", 60, ("192.0.2.1",)),
    )
    text = update_message(Swap(ZONE, old, new)).to_text().split(";PREREQ\n")[1].split(";ADDITIONAL")[0].splitlines()
    assert text == [
        "valbourg.example. 0 IN NS ns1.valbourg.example.",
        "valbourg.example. 0 IN NS ns2.valbourg.example.",
        "gone.valbourg.example. 0 IN CNAME x.",
        "gone.valbourg.example. NONE A",
        "valbourg.example. NONE CNAME",
        ";UPDATE",
        "gone.valbourg.example. ANY CNAME",
        "gone.valbourg.example. 60 IN A 192.0.2.1",
        "valbourg.example. 90 IN NS ns2.valbourg.example.",
        "valbourg.example. 90 IN NS ns3.valbourg.example.",
        "valbourg.example. 0 NONE NS ns1.valbourg.example.",
    ]


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("192.0.2.1:5353", Endpoint("192.0.2.1", 5353)),
        ("192.0.2.1", Endpoint("192.0.2.1", 53)),
        ("[2001:db8::1]:5353", Endpoint("2001:db8::1", 5353)),
        ("2001:db8::1", Endpoint("2001:db8::1", 53)),
    ],
)
def test_server_addresses(text: str, parsed: Endpoint) -> None:
    assert endpoint(text, 53) == parsed


@pytest.mark.parametrize("text", ["ns1.example:53", "192.0.2.1:0", "192.0.2.1:70000", "192.0.2.1:x", "[::1", ""])
def test_what_is_no_server_address_is_refused(text: str) -> None:
    with pytest.raises(ProviderError) as caught:
        endpoint(text, 53)
    assert caught.value.permanent


@pytest.mark.parametrize(
    ("networks", "address", "within"),
    [
        (None, "203.0.113.1", True),
        ([], "127.0.0.1", False),
        (["127.0.0.0/8"], "127.77.0.1", True),
        (["127.0.0.0/8"], "169.254.169.254", False),
        (["127.0.0.0/8"], "::ffff:169.254.169.254", False),
        (["127.0.0.0/8"], "::ffff:127.0.0.1", True),
        (["127.0.0.0/8"], "::1", False),
    ],
)
def test_networks_of_a_scope(networks: list[str] | None, address: str, within: bool) -> None:
    assert allowed({} if networks is None else {"networks": networks}, address) is within
