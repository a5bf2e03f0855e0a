"""S3's XML, written and read."""

from collections.abc import Callable
from urllib.parse import quote
from xml.etree import ElementTree as ET

from providers.simulator.http_service import Response
from providers.simulator.s3_error import StoreError

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
XML = {"Content-Type": "application/xml"}
STAMP = "%Y-%m-%dT%H:%M:%S.000Z"


def root(tag: str, **texts: str) -> ET.Element:
    """A document with these children."""
    made = ET.Element(tag, xmlns=NAMESPACE)
    add_all(made, **texts)
    return made


def add(parent: ET.Element, tag: str, text: str = "") -> ET.Element:
    child = ET.SubElement(parent, tag)
    child.text = text or None
    return child


def add_all(parent: ET.Element, **texts: str) -> None:
    for tag, text in texts.items():
        add(parent, tag, text)


def owner(parent: ET.Element) -> None:
    add_all(add(parent, "Owner"), ID="simulator", DisplayName="simulator")


def document(element: ET.Element, headers: dict[str, str] | None = None) -> Response:
    return Response(200, ET.tostring(element, encoding="UTF-8", xml_declaration=True), {**XML, **(headers or {})})


def error(status: int, code: str, message: str, resource: str, headers: dict[str, str] | None = None) -> Response:
    """An answer in the vendor's words."""
    made = ET.Element("Error")
    add_all(made, Code=code, Message=message, Resource=resource, RequestId="0")
    body = ET.tostring(made, encoding="UTF-8", xml_declaration=True)
    return Response(status, body, {**XML, **(headers or {})})


def parsed(body: bytes) -> ET.Element:
    """A request's document; raises StoreError."""
    try:
        return ET.fromstring(body)  # noqa: S314  # nosec B314  # nosemgrep: xml-expands  # from our own signed client, on loopback
    except ET.ParseError:
        raise StoreError(400, "MalformedXML", "The XML you provided was not well-formed.") from None


def encoder(query: dict[str, str], honoured: bool) -> Callable[[str], str]:
    """How keys are written in a listing."""
    return quote if honoured and query.get("encoding-type") == "url" else str


def size_asked(query: dict[str, str], name: str, most: int) -> int:
    """`max-keys` and its like; raises StoreError."""
    text = query.get(name, str(most))
    if not text.isdigit():
        raise StoreError(400, "InvalidArgument", f"Provided {name} not an integer or within integer range")
    return min(int(text), most)
