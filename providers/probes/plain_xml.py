"""XML of an answer, read without document types: they could name files, hosts and billions of entities."""

from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from providers.probes.check import DoesNotHoldError
from providers.probes.web_answer import Answer


class _DoctypeError(Exception):
    """The document declares a type."""


def xml(answer: Answer) -> Element:
    """The root; names as `{namespace}name`. Raises DoesNotHoldError when the answer is no plain XML, or was cut."""
    if answer.cut:
        raise DoesNotHoldError(f"{answer.at} answered more than {len(answer.body)} bytes; expected a short document.")
    try:
        return _root(answer.body)
    except (expat.ExpatError, _DoctypeError, LookupError, ValueError) as error:
        raise DoesNotHoldError(f"{answer.at} answered {answer.words}; expected XML without a document type.") from error


def _root(text: bytes) -> Element:
    tree = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = lambda name, attributes: tree.start(
        _named(name), {_named(key): value for key, value in attributes.items()}
    )
    parser.EndElementHandler = lambda name: tree.end(_named(name))
    parser.CharacterDataHandler = tree.data
    parser.Parse(text, True)
    return tree.close()


def _refuse(*_: object) -> NoReturn:
    raise _DoctypeError


def _named(name: str) -> str:
    return f"{{{name}" if "}" in name else name
