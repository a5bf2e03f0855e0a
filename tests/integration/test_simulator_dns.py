"""The authoritative DNS stand-in, asked by dnspython as our driver and BIND's tools ask."""

import dns.message
import dns.query
import dns.rcode
import dns.resolver
import dns.tsig
import dns.tsigkeyring
import dns.update
import dns.zone
import pytest

from tests.simulator_fixture import Simulator

ZONE = "valbourg.example"


def ask(simulator: Simulator, name: str, rdtype: str) -> dns.message.Message:
    return dns.query.udp(dns.message.make_query(name, rdtype), simulator.service(53), timeout=3)


def new_update(simulator: Simulator, secret: str | None = None) -> dns.update.UpdateMessage:
    keyring = dns.tsigkeyring.from_text({"bascule": ("hmac-sha256", secret or simulator.secret("dns-tsig"))})
    return dns.update.UpdateMessage(ZONE, keyring=keyring)


def send(simulator: Simulator, update: dns.update.UpdateMessage) -> str:
    return dns.rcode.to_text(dns.query.tcp(update, simulator.service(53), timeout=3).rcode())


def whole_zone(simulator: Simulator) -> dns.zone.Zone:
    zone = dns.zone.Zone(ZONE)
    dns.query.inbound_xfr(simulator.service(53), zone, timeout=3)
    return zone


def serial(simulator: Simulator) -> int:
    return int(ask(simulator, ZONE, "SOA").answer[0][0].serial)


def test_names_that_are_and_are_not(fresh_simulator: Simulator) -> None:
    found = ask(fresh_simulator, f"www.{ZONE}", "A")
    assert found.flags & dns.flags.AA
    assert [rrset.to_text() for rrset in found.answer] == [
        f"www.{ZONE}. 300 IN CNAME portal.{ZONE}.",
        f"portal.{ZONE}. 300 IN A {fresh_simulator.service(80)}",
    ]
    no_data, no_name, between, elsewhere = (
        ask(fresh_simulator, name, "AAAA") for name in (f"portal.{ZONE}", f"nope.{ZONE}", f"_tcp.{ZONE}", "a.invalid")
    )
    assert (no_data.rcode(), no_data.answer, no_data.authority[0].rdtype) == (dns.rcode.NOERROR, [], dns.rdatatype.SOA)
    assert no_name.rcode() == dns.rcode.NXDOMAIN
    assert between.rcode() == dns.rcode.NOERROR
    assert elsewhere.rcode() == dns.rcode.REFUSED


def test_an_update_is_one_act(fresh_simulator: Simulator) -> None:
    before = fresh_simulator.state()["zones"]
    first = serial(fresh_simulator)
    refused = new_update(fresh_simulator)
    refused.present("portal", "A", "192.0.2.1")
    refused.replace("portal", 60, "A", "192.0.2.2")
    assert send(fresh_simulator, refused) == "NXRRSET"
    assert fresh_simulator.state()["zones"] == before
    assert serial(fresh_simulator) == first

    taken = new_update(fresh_simulator)
    taken.present("portal", "A", fresh_simulator.service(80))
    taken.absent("neu")
    taken.replace("portal", 60, "A", "192.0.2.2", "192.0.2.3")
    taken.delete("@", "MX")
    taken.add("neu", 60, "TXT", "x")
    assert send(fresh_simulator, taken) == "NOERROR"
    zone = whole_zone(fresh_simulator)
    assert zone.find_rdataset("portal", "A").ttl == 60
    assert {rdata.to_text() for rdata in zone.find_rdataset("portal", "A")} == {"192.0.2.2", "192.0.2.3"}
    assert zone.get_rdataset("@", "MX") is None
    assert serial(fresh_simulator) == first + 1
    assert [effect["action"] for effect in fresh_simulator.effects()] == ["update"]


def test_an_update_of_a_ttl_alone_is_a_change(fresh_simulator: Simulator) -> None:
    first = serial(fresh_simulator)
    lower = new_update(fresh_simulator)
    lower.replace("portal", 60, "A", fresh_simulator.service(80))
    assert send(fresh_simulator, lower) == "NOERROR"
    assert ask(fresh_simulator, f"portal.{ZONE}", "A").answer[0].ttl == 60
    assert serial(fresh_simulator) == first + 1


@pytest.mark.parametrize(
    ("method", "arguments", "rcode"),
    [
        ("present", ("nope",), "NXDOMAIN"),
        ("present", ("portal", "AAAA"), "NXRRSET"),
        ("absent", ("portal",), "YXDOMAIN"),
        ("absent", ("portal", "A"), "YXRRSET"),
        ("present", ("@", "TXT", '"MS=ms20261101"'), "NXRRSET"),
    ],
)
def test_each_prerequisite_refuses(
    fresh_simulator: Simulator, method: str, arguments: tuple[str, ...], rcode: str
) -> None:
    update = new_update(fresh_simulator)
    getattr(update, method)(*arguments)
    update.add("new", 60, "A", "192.0.2.9")
    assert send(fresh_simulator, update) == rcode
    assert fresh_simulator.effects() == []


def test_only_the_key_may_change_the_zone(fresh_simulator: Simulator) -> None:
    unsigned = dns.update.UpdateMessage(ZONE)
    unsigned.add("new", 60, "A", "192.0.2.9")
    assert send(fresh_simulator, unsigned) == "REFUSED"
    forged = new_update(fresh_simulator, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    forged.add("new", 60, "A", "192.0.2.9")
    with pytest.raises(dns.tsig.PeerBadSignature):
        send(fresh_simulator, forged)
    assert fresh_simulator.effects() == []


def test_apex_and_aliases_are_kept_lawful(fresh_simulator: Simulator) -> None:
    update = new_update(fresh_simulator)
    update.delete("@", "NS")
    update.delete("@", "SOA")
    update.add("portal", 60, "CNAME", "www")
    update.add("www", 60, "A", "192.0.2.9")
    before = fresh_simulator.state()["zones"]
    assert send(fresh_simulator, update) == "NOERROR"
    assert fresh_simulator.state()["zones"] == before
    assert fresh_simulator.effects() == []


def test_a_lost_answer_leaves_the_work_done(fresh_simulator: Simulator) -> None:
    fresh_simulator.faults({"service": "dns", "route": f"UPDATE {ZONE}", "kind": "lose_answer"})
    update = new_update(fresh_simulator)
    update.replace("portal", 60, "A", "192.0.2.2")
    with pytest.raises((EOFError, dns.exception.Timeout)):
        send(fresh_simulator, update)
    assert ask(fresh_simulator, f"portal.{ZONE}", "A").answer[0][0].to_text() == "192.0.2.2"
    assert fresh_simulator.faults_left()[0]["times"] == 0


def test_a_long_answer_goes_by_tcp(fresh_simulator: Simulator) -> None:
    update = new_update(fresh_simulator)
    update.add("big", 60, "TXT", *(f"{number:03}-{'x' * 200}" for number in range(20)))
    assert send(fresh_simulator, update) == "NOERROR"
    assert ask(fresh_simulator, f"big.{ZONE}", "TXT").flags & dns.flags.TC
    query = dns.message.make_query(f"big.{ZONE}", "TXT")
    answer, by_tcp = dns.query.udp_with_fallback(query, fresh_simulator.service(53), timeout=3)
    assert by_tcp
    assert len(answer.answer[0]) == 20
