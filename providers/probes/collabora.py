"""A Collabora or LibreOffice Online that edits the formats people use, under the address they reach it by.

`/hosting/discovery` is WOPI's discovery document; `/hosting/capabilities` is Collabora's own (its SDK documentation,
"Discovery" and "Capabilities").
"""

from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.probes.place import below, same_origin
from providers.probes.plain_xml import xml
from providers.probes.web_answer import Answer
from providers.probes.web_call import call
from providers.wants import CollaboraProbe

FORMATS = ("odt", "ods", "odp", "docx")
"""What people must be able to edit: text, spreadsheet, presentation, and the other side's text."""


class CollaboraCheck(Check[CollaboraProbe]):
    """`probe.collabora`. Outputs: `product`, `version`."""

    def _look(self, want: CollaboraProbe, attempt: Attempt) -> Seen:
        discovery = call(attempt, "GET", below(want.url, "hosting", "discovery")).expect(200)
        editors = _editors(discovery)
        _all_edited(editors, discovery)
        _all_at(want.url, editors, discovery)
        answer = call(attempt, "GET", below(want.url, "hosting", "capabilities")).expect(200)
        told = answer.json()
        product, version = str(told.get("productName", "")), str(told.get("productVersion", ""))
        if not product:
            raise DoesNotHoldError(f"{answer.at} answered {answer.words}; expected the capabilities of Collabora.")
        return Seen(
            f"{answer.at} is {product} {version} and edits {', '.join(FORMATS)}.",
            {"product": product, "version": version},
        )


def _editors(discovery: Answer) -> dict[str, str]:
    """Where each format is edited, by its extension."""
    root = xml(discovery)
    if root.tag != "wopi-discovery":
        raise DoesNotHoldError(f"{discovery.at} answered {discovery.words}; expected a WOPI discovery document.")
    actions = [action for action in root.iter("action") if action.get("name") == "edit"]
    return {action.get("ext", ""): action.get("urlsrc", "") for action in actions}


def _all_edited(editors: dict[str, str], discovery: Answer) -> None:
    missing = [extension for extension in FORMATS if not editors.get(extension)]
    if missing:
        raise DoesNotHoldError(
            f"{discovery.at} offers no editing of {', '.join(missing)}; expected {', '.join(FORMATS)}."
        )


def _all_at(base: str, editors: dict[str, str], discovery: Answer) -> None:
    """Browsers are sent to these URLs: with another scheme, host or port nobody can open a document."""
    for extension in FORMATS:
        url = editors[extension]
        if not same_origin(base, url):
            raise DoesNotHoldError(
                f"{discovery.at} sends browsers to {url[:200]} to edit {extension}; expected a URL at {base}."
            )
