"""What a plan says of each step."""

from typing import Any

from orchestrator.cli.changes import change_lines
from orchestrator.domain.kinds import KINDS
from orchestrator.domain.plan import PlannedStep

NOW = 1_000_000.0


def lines(uses: str, with_: dict[str, Any], **more: Any) -> list[str]:
    step = {"id": "r/s", "uses": uses, "with": with_, "service": "s", "runbook": "r", **more}
    return change_lines(PlannedStep.model_validate(step), NOW)


def seen(presence: str, values: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"presence": presence, "values": values or {}, "at": NOW, **more}


def mx(*values: str) -> dict[str, Any]:
    return {"name": "@", "type": "MX", "ttl": 300, "values": list(values)}


def test_records_before_and_after() -> None:
    with_ = {"zone": "valbourg.example", "records": [{"name": "@", "type": "MX", "ttl": 60, "values": ["10 b."]}]}
    found = seen("absent", {"records": [mx("0 a.")]})
    assert lines("dns.records", with_, seen=found) == [
        "DNS zone valbourg.example",
        "  @ MX: 0 a. (300 s) → 10 b. (60 s)",
    ]


def test_a_record_set_that_is_made_and_one_that_goes() -> None:
    records = [
        {"name": "Portal", "type": "A", "ttl": 60, "values": ["${{ steps.server.outputs.address }}"]},
        {"name": "@", "type": "MX", "state": "absent", "ttl": 300, "values": []},
    ]
    gone: dict[str, Any] = {"name": "portal", "type": "A", "ttl": None, "values": []}
    found = seen("absent", {"records": [gone, mx("0 a.")]})
    assert lines("dns.records", {"zone": "v.example", "records": records}, seen=found)[1:] == [
        "  Portal A: nothing → <address of server> (60 s)",
        "  @ MX: 0 a. (300 s) → nothing",
    ]


def test_what_was_not_looked_at_is_not_called_nothing() -> None:
    with_ = {"zone": "v.example", "records": [{"name": "@", "type": "A", "ttl": 60, "values": ["192.0.2.1"]}]}
    assert "what is there then" in lines("dns.records", with_)[1]


def test_a_snapshot_says_its_age_and_why() -> None:
    found = seen("absent", {"to_copy": 2, "bytes": 3400, "same": 1, "bucket": "present"})
    found |= {"at": NOW - 7200, "stale": True, "message": "No answer."}
    place = {"from": {"store": "source", "bucket": "b"}, "to": {"store": "target", "bucket": "b"}}
    assert lines("storage.copy", place, seen=found) == [
        "Copy 2 objects (3.4 kB) from source/b to target/b",
        "! Planned as it was 2 h ago; it can’t be read now: No answer.",
    ]


def test_what_cannot_be_read_is_said() -> None:
    found = {"presence": "unreadable", "message": "No route\nto host."}
    server = {"provider": "scaleway", "name": "portal", "size": "S", "image": "i"}
    assert lines("compute.server", server, seen=found)[-1] == "! It can’t be read now, and never was: No route to host."


def test_texts_from_elsewhere_cannot_steer_the_terminal() -> None:
    server = {"provider": "scaleway", "name": "p\x1b]0;evil\x07", "size": "S", "image": "i"}
    (line,) = lines("compute.server", server)
    assert "\x1b" not in line
    assert "\x07" not in line


def test_zones_in_which_the_same_was_found_stand_together_and_all_are_named() -> None:
    with_ = {"zones": ["a.example", "b.example", "c.example"], "records": [{**mx("10 b."), "ttl": 60}]}
    other = {"records": [mx("5 third.")]}
    zones = {"a.example": {"records": [mx("0 a.")]}, "b.example": other, "c.example": {"records": [mx("0 a.")]}}
    assert lines("dns.records", with_, seen=seen("absent", {"zones": zones})) == [
        "In each of 2 DNS zones: a.example, c.example",
        "  @ MX: 0 a. (300 s) → 10 b. (60 s)",
        "DNS zone b.example",
        "  @ MX: 5 third. (300 s) → 10 b. (60 s)",
    ]
    assert lines("dns.records", with_)[0] == "In each of 3 DNS zones: a.example, b.example, c.example"


def test_a_ttl_says_how_long_caches_are_waited_for() -> None:
    with_ = {"zone": "v.example", "ttl": 60, "records": [{"name": "@", "type": "MX"}]}
    assert lines("dns.ttl", with_, seen=seen("absent", {"records": [mx("0 a.")]})) == [
        "TTL 60 s, where it is longer",
        "DNS zone v.example",
        "  @ MX: 0 a. (300 s) → 0 a. (60 s)",
        "Then it waits 5 min, until no cache can hold a longer one",
    ]
    low = {"records": [{**mx("0 a."), "ttl": 30}]}
    assert lines("dns.ttl", with_, seen=seen("already", low))[2:] == ["  @ MX: 0 a. (30 s), as it is"]


def test_every_kind_is_described_without_its_inputs() -> None:
    for uses in KINDS:
        assert all(lines(uses, {}))


def txt(*values: str) -> dict[str, Any]:
    return {"name": "@", "type": "TXT", "ttl": 3600, "values": list(values)}


def test_an_edit_is_shown_by_what_comes_of_it() -> None:
    records = [{"name": "@", "type": "TXT", "add": ["ours=1"], "spf": {"include": ["mailo.com"]}}]
    found = seen("absent", {"records": [txt('"theirs"', '"v=spf1 include:old.example -all"')]})
    assert lines("dns.records", {"zone": "v.example", "records": records}, seen=found)[1:] == [
        '  @ TXT: "theirs", "v=spf1 include:old.example -all" (3600 s)',
        '    → "ours=1", "theirs", "v=spf1 include:old.example include:mailo.com -all" (3600 s)',
    ]


def test_an_edit_after_another_of_the_same_record_set_is_told_in_words() -> None:
    records = [
        {"name": "@", "type": "TXT", "remove": ["${{ steps.x.outputs.y }}"], "spf": {"exclude": ["old.example"]}},
        {"name": "_dmarc", "type": "TXT", "dmarc": {"at_most": "quarantine"}},
        {"name": "_mta-sts", "type": "TXT", "mta_sts": "renew"},
    ]
    found = seen("absent", {"records": [txt('"v=spf1 -all"')]})
    assert lines("dns.records", {"zone": "v.example", "records": records}, seen=found, after="r/first")[1:] == [
        "  @ TXT: what is there then",
        "    → − <y of x>, − include:old.example",
        "  _dmarc TXT: what is there then",
        "    → DMARC at most quarantine",
        "  _mta-sts TXT: what is there then → a new id",
    ]


def test_an_edit_that_can_not_be_made_says_why() -> None:
    records = [{"name": "@", "type": "TXT", "spf": {"include": ["mailo.com"]}}]
    found = seen(
        "conflict", {"records": [txt('"v=spf1 -all"', '"v=spf1 mx -all"')]}, message="There are 2 SPF records."
    )
    shown = lines("dns.records", {"zone": "v.example", "records": records}, seen=found)
    assert shown[-2:] == ["    → + include:mailo.com", "! There are 2 SPF records."]


def test_a_notice_says_who_is_told_what() -> None:
    fact = {"what": {"fr": "Courriel", "en": "Mail"}, "old": "old.example", "new": "${{ steps.mail.outputs.host }}"}
    with_ = {"channels": ["crisis", "paper"], "subject": {"fr": "A", "en": "Mail moves"}, "facts": [fact]}
    assert lines("people.inform", with_, seen=seen("absent", message="Would tell.")) == [
        "Tell people by crisis, paper: Mail moves",
        "  Mail: old.example → <host of mail>",
        "  Would tell.",
    ]


def test_meetings_say_where_they_go() -> None:
    with_ = {"calendar": "https://dav.example/a/", "from_vendors": ["teams"], "link": "https://visio.example/{room}"}
    assert lines("calendar.reissue", with_) == [
        "Meetings of https://dav.example/a/ from teams to https://visio.example/{room}"
    ]


def test_people_and_the_sheet_that_they_follow_stand_on_one_line() -> None:
    assert lines("human.approval", {"count": 2, "instructions": "docs/go.md"}) == [
        "2 approvers say yes · With docs/go.md"
    ]
    assert lines("human.approval", {"role": "operator"}) == ["1 operator says yes"]
