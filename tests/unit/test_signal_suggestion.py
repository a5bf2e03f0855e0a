"""The rule that is suggested for an alert would have understood it, whatever the alert says."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from orchestrator.domain.signals.alert import Alert, Reading
from orchestrator.domain.signals.mapping import meaning
from orchestrator.domain.signals.source import Signals, Source
from orchestrator.domain.signals.suggestion import OPEN, Suggestion, suggested

SOURCE = Source.model_validate(
    {"format": "alertmanager", "auth": {"bearer": "secret://am"}, "trust_domain": "own-prometheus"}
)
VENDORS = {"microsoft-365": ("Microsoft 365",), "aws": ("Amazon Web Services",)}


def rules_of(found: Suggestion, source: Source = SOURCE) -> Source:
    """The source with what was suggested, read as an estate's YAML is."""
    block: dict[str, Any] = yaml.safe_load(found.text)["signals"]
    block["sources"]["am"] = {**source.model_dump(exclude_unset=True), **block["sources"]["am"]}
    return Signals.model_validate(block).sources["am"]


def test_it_names_vendor_and_aspect_where_the_alert_does() -> None:
    found = suggested("am", SOURCE, {"alertname": "Login to Microsoft 365", "instance": "x:9115"}, VENDORS)
    assert found is not None
    assert not found.is_open
    (rule,) = rules_of(found).map
    assert (rule.vendor, rule.aspect, dict(rule.match)) == (
        "microsoft-365", "auth", {"alertname": "Login to Microsoft 365"},
    )  # fmt: skip


@pytest.mark.parametrize("said", ["Disk full", "aws and microsoft-365 are slow"])
def test_whom_it_is_about_stays_open_where_nothing_says_it(said: str) -> None:
    found = suggested("am", SOURCE, {"alertname": said}, VENDORS)
    assert found is not None
    assert found.is_open
    assert f"vendor: {OPEN} # microsoft-365, aws" in found.text
    with pytest.raises(ValueError, match="vendor"):
        rules_of(found)


def test_a_refusal_is_suggested_as_one() -> None:
    found = suggested("am", SOURCE, {"alertname": "aws answers 403"}, VENDORS)
    assert found is not None
    (rule,) = rules_of(found).map
    assert (rule.vendor, rule.aspect, rule.outcome) == ("aws", "denial", "denied")


def test_a_source_of_observations_is_let_speak_of_the_vendor() -> None:
    peer = Source.model_validate(
        {"format": "observations", "auth": {"hmac": "secret://peer"}, "trust_domain": "peer", "vendors": ["aws"]}
    )
    found = suggested("am", peer, {"vendor": "microsoft-365"}, VENDORS)
    assert found is not None
    assert rules_of(found, peer).vendors == ("aws", "microsoft-365")
    assert suggested("am", peer, {"vendor": "a: b"}, VENDORS) is None


def test_without_a_label_or_a_source_nothing_is_suggested() -> None:
    assert suggested("am", SOURCE, {}, VENDORS) is None
    assert suggested("am", SOURCE, {"strange label": "x", "alertname": ""}, VENDORS) is None
    assert suggested("am", None, {"alertname": "x"}, VENDORS) is None


HOSTILE = some.text(some.characters(exclude_categories=["Cs"]), max_size=40) | some.sampled_from(
    ['"}\n  evil: {x: "', "# no", "\\", "${{ a }}", "\u202e\u2028\x85\x1b[31m", "*", "[a]?", "😀", "- x: y", "\x00"]
)


@given(value=HOSTILE.filter(bool), key=some.sampled_from(["alertname", "labelled", "x.y-z"]))
def test_what_is_suggested_maps_the_very_alert(value: str, key: str) -> None:
    found = suggested("am", SOURCE, {key: value}, {"aws": ()})
    assert found is not None
    assert found.text.isascii() or found.text.replace("\n", "").isprintable()
    filled = Suggestion(found.text.replace(f"vendor: {OPEN} # aws", "vendor: aws"), is_open=False)
    source = rules_of(filled)
    assert [len(rule.match) for rule in source.map] == [1]
    told = meaning("am", source, Reading([Alert({key: value}, "fail")]), 1.0)
    assert [seen.observation.vendor for seen in told.seen] == ["aws"]
