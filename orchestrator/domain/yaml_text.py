"""YAML text -> plain data with the place of every key and value.

The reader walks PyYAML's events (SafeLoader) and builds the values itself: no tag
ever makes an object, an alias costs what it stands for, and everything is bounded.
libyaml's parser is twenty times as fast as PyYAML's own, which decides what is YAML:
what the two could read differently, and what libyaml refuses, is left to PyYAML's own.
Because JSON, the plan's digest and editors must see the same values, keys are
always text; `yes`, `off`, `007`, dates and `1:30` stay text too; and what JSON
cannot carry is refused.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

import yaml

from orchestrator.domain.problem import Complaint, Path, Problem

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 40
MAX_ALIASES = 100
MAX_NODES = 50_000
"""Keys and values; those that aliases repeat count each time."""
MAX_DIGITS = 18
"""Digits of a number; more do not survive in every JSON reader."""


class Position(NamedTuple):
    """A place in a file; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """A file's data, and where its values and keys stand."""

    file: str
    data: Any
    values: Mapping[Path, Position]
    keys: Mapping[Path, Position]
    strange: frozenset[Position] = frozenset()
    """Where values stand that could not be kept, and that a problem tells of already."""

    def at(self, path: Path, *, on_key: bool = False) -> Position:
        """The place of the value at `path`, or of its key; where there is none, of the nearest thing around it."""
        for length in range(len(path), -1, -1):
            here = path[:length]
            keys_first = on_key or length < len(path)
            first, second = (self.keys, self.values) if keys_first else (self.values, self.keys)
            found = first.get(here) or second.get(here)
            if found is not None:
                return found
        return Position(1, 1)

    def problem(self, complaint: Complaint) -> Problem:
        line, column = self.at(complaint.path, on_key=complaint.on_key)
        return Problem(self.file, line, column, complaint.message, complaint.remedy)

    def problems(self, complaints: Iterable[Complaint]) -> list[Problem]:
        """The complaints as problems, but those about values that could not even be read."""
        return [self.problem(one) for one in complaints if one.on_key or self.at(one.path) not in self.strange]


def read_yaml(text: str | bytes, file: str) -> tuple[Document | None, list[Problem]]:
    """The document, or None when the text can't be read at all.

    A document can come with problems: duplicate keys (the first one counts) and
    values that are left out as None.
    """
    try:
        text = _decode(text)
        return _read_quickly(file, text) or _Reader(file, text).read()
    except _Refused as refusal:
        return None, [Problem(file, *refusal.position, refusal.message, refusal.remedy)]


def _read_quickly(file: str, text: str) -> tuple[Document, list[Problem]] | None:
    """As libyaml reads it; None where the slower reader is to read, or to say what is wrong."""
    if not yaml.__with_libyaml__ or _READ_DIFFERENTLY.search(text):
        return None
    try:
        return _QuickReader(file, text).read()
    except (yaml.YAMLError, _Refused, ValueError, OverflowError):
        return None


_READ_DIFFERENTLY = re.compile(r"[\t?\ufeff]|[|>][-+\d]*#")
"""Tabs, `?` in brackets, marks of byte order, and a comment that touches a block's sign."""


class _Refused(Exception):
    """Reading can't go on."""

    def __init__(self, position: Position, message: str, remedy: str) -> None:
        super().__init__(message)
        self.position = position
        self.message = message
        self.remedy = remedy


def _decode(text: str | bytes) -> str:
    if len(text) > MAX_BYTES:
        size = f"{len(text) / MAX_BYTES:.1f}"
        message = f"The file has {size} MiB; at most 1 MiB is read."
        raise _Refused(Position(1, 1), message, "Split it into smaller files.")
    text = _utf8(text) if isinstance(text, bytes) else text
    strange = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if strange is not None:
        code = f"U+{ord(strange.group()):04X}"
        remedy = "Delete it, or write it as an escape in double quotes."
        raise _Refused(_position(text[: strange.start()]), f"The character {code} is not allowed in YAML.", remedy)
    return text


def _utf8(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        at = _position(text[: error.start].decode("utf-8"))
        raise _Refused(at, "This byte is not UTF-8 text.", "Save the file as UTF-8.") from None


def _position(before: str) -> Position:
    lines = before.split("\n")
    return Position(len(lines), len(lines[-1]) + 1)


@dataclass(slots=True)
class _Node:
    """One node of the tree. `size`, `height` and `weight` count all below it, aliases spelled out."""

    position: Position
    data: Any = None
    children: dict[str | int, "_Node"] = field(default_factory=dict)
    keys: dict[str, Position] = field(default_factory=dict)
    size: int = 1
    height: int = 0
    weight: int = 0
    """Characters of text."""
    open: bool = False

    def adopt(self, key: str | int, child: "_Node") -> None:
        self.children[key] = child
        self.size += child.size + isinstance(key, str)
        self.height = max(self.height, child.height + 1)
        self.weight += child.weight


class _Reader:
    """Turns PyYAML's events into nodes, and stops at the first bound that is passed."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._text = text
        self._loader = self._loader_of(text)
        self._anchors: dict[str, _Node] = {}
        self._aliases = 0
        self._nodes = 0
        self._repeated = 0
        self._problems: list[Problem] = []
        self._strange: set[Position] = set()

    @staticmethod
    def _loader_of(text: str) -> Any:
        return yaml.SafeLoader(text)

    def read(self) -> tuple[Document, list[Problem]]:
        try:
            root = self._document()
        finally:
            self._loader.dispose()
        values: dict[Path, Position] = {}
        keys: dict[Path, Position] = {}
        for path, node in _walk(root):
            values[path] = node.position
            keys.update({(*path, key): position for key, position in node.keys.items()})
        return Document(self._file, root.data, values, keys, frozenset(self._strange)), self._problems

    def _document(self) -> _Node:
        self._next()  # the stream's start
        if isinstance(self._next(), yaml.StreamEndEvent):
            return _Node(Position(1, 1))
        root = self._node(self._next(), 0)
        self._next()  # the document's end
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            _refuse(after, "A second document begins here.", "Keep one document per file; remove the line `---`.")
        return root

    def _next(self) -> Any:
        try:
            return self._loader.get_event()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark or self._loader.get_mark()
            raise self._unreadable(mark, error) from None
        except (ValueError, OverflowError):
            mark = self._loader.get_mark()
            at = Position(mark.line + 1, mark.column + 1)
            remedy = "Correct the escape, or use single quotes, in which a backslash means itself."
            raise _Refused(at, "This escape names no character.", remedy) from None

    def _unreadable(self, mark: Any, error: yaml.MarkedYAMLError) -> _Refused:
        at = Position(mark.line + 1, mark.column + 1)
        before: Any = error.context_mark
        sign, opened = self._sign(mark), self._sign(before)
        if opened in _OPENING and sign not in ("{", "\t"):
            at = Position(before.line + 1, before.column + 1)
            message = f"This {_OPENING[opened]} is not closed; line {mark.line + 1} can't go on from it."
            return _Refused(
                at, message, f"Close the {_OPENING[opened]}, or put a comma or quotes where they are missing."
            )
        if sign in ("", "\0"):
            message = "The file ends in the middle of something."
            return _Refused(at, message, "Close what is open: a bracket, a brace or a quote.")
        if sign in _WORDS_AT:
            return _Refused(at, *_WORDS_AT[sign])
        why = error.problem or "it can't be understood"
        message = f"This is not YAML: {why}" + (f" ({error.context})." if error.context else ".")
        return _Refused(at, message, "Correct the indentation, quotes or brackets here.")

    def _sign(self, mark: Any) -> str:
        """The sign that stands at PyYAML's mark; it tells mistakes apart better than the wording of its errors."""
        return self._text[mark.index : mark.index + 1] if mark is not None else ""

    def _complain(self, position: Position, message: str, remedy: str) -> None:
        self._problems.append(Problem(self._file, *position, message, remedy))

    def _leave_out(self, node: _Node, message: str, remedy: str) -> None:
        self._strange.add(node.position)
        self._complain(node.position, message, remedy)

    def _node(self, event: Any, depth: int) -> _Node:
        if depth > MAX_DEPTH:
            _refuse(event, f"This is nested more than {MAX_DEPTH} levels deep.", "Flatten it.")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        self._count(event)
        _refuse_tag(event)
        node = _Node(_start(event), open=True)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, node)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._sequence(node, depth)
        else:
            self._mapping(node, depth)
        node.open = False
        return node

    def _count(self, event: Any, nodes: int = 1) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            message = f"The file stands for more than {MAX_NODES} keys and values."
            _refuse(event, message, "Split it into smaller files.")

    def _alias(self, event: yaml.AliasEvent, depth: int) -> _Node:
        self._aliases += 1
        name = _short(str(event.anchor))
        if self._aliases > MAX_ALIASES:
            _refuse(event, f"The file has more than {MAX_ALIASES} aliases.", "Write the values out.")
        found = self._anchors.get(str(event.anchor))
        if found is None:
            remedy = f"Put &{name} before it, or quote a text that begins with an asterisk."
            _refuse(event, f"The alias *{name} has no anchor before it.", remedy)
        if found.open:
            _refuse(event, f"The alias *{name} stands inside its own anchor.", "Write the value out.")
        self._count(event, found.size)
        self._repeated += found.weight
        if self._repeated > MAX_BYTES:
            _refuse(event, f"The alias *{name} repeats more than 1 MiB of text.", "Write out only what is needed.")
        if depth + found.height > MAX_DEPTH:
            message = f"The alias *{name} nests more than {MAX_DEPTH} levels deep."
            _refuse(event, message, "Write out only what is needed.")
        return found

    def _sequence(self, node: _Node, depth: int) -> None:
        node.data = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            child = self._node(event, depth + 1)
            node.adopt(len(node.data), child)
            node.data.append(child.data)

    def _mapping(self, node: _Node, depth: int) -> None:
        node.data = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event)
            child = self._node(self._next(), depth + 1)
            if key in node.keys:
                message = f"The key `{_short(key)}` stands on line {node.keys[key].line} already."
                self._complain(_start(event), message, "Remove or rename one of the two.")
                continue
            node.keys[key] = _start(event)
            node.adopt(key, child)
            node.data[key] = child.data

    def _key(self, event: Any) -> str:
        self._count(event)
        if not isinstance(event, yaml.ScalarEvent):
            _refuse(event, "This key is not plain text.", "Use a short text as the key, or quote the whole value.")
        _refuse_tag(event)
        key = str(event.value)
        if not event.style and key == "<<":
            _refuse(event, "Merge keys (`<<`) are not read.", "Write the merged keys out.")
        if key == "" or not _is_text(key):
            _refuse(event, "A name is missing before this colon.", "Write a name before the colon.")
        return key

    def _scalar(self, event: yaml.ScalarEvent, node: _Node) -> None:
        text = str(event.value)
        node.weight = len(text)
        if not _is_text(text):
            message = "This text holds a character that can't be kept: NUL or half a surrogate pair."
            self._leave_out(node, message, "Remove the escape that writes it.")
            return
        node.data = text
        if not event.style:  # None or empty, as its parser writes it
            self._plain(text, node)

    def _plain(self, text: str, node: _Node) -> None:
        """null, true, 12, 1.5: what is written without quotes and means more than its letters."""
        tag = self._loader.resolve(yaml.ScalarNode, text, (True, False))
        kind = tag.removeprefix("tag:yaml.org,2002:")
        if kind not in _PLAIN or ":" in text or _means_itself(kind, text):
            return
        if kind == "int" and len(text.lstrip("+-")) > MAX_DIGITS:
            self._leave_out(node, f"The number {_short(text)} is too long.", "Put it in quotes if it is text.")
            return
        try:
            value = self._loader.construct_object(yaml.ScalarNode(tag, text))
        except (ValueError, OverflowError):
            return
        if isinstance(value, float) and not math.isfinite(value):
            message = f"{_short(text)} is not a number that can be kept."
            self._leave_out(node, message, "Write a finite number, or put it in quotes if it is text.")
            return
        node.data = value


class _QuickReader(_Reader):
    """By libyaml. What it refuses ends in YAMLError: where and why, the other one says."""

    @staticmethod
    def _loader_of(text: str) -> Any:
        return yaml.CSafeLoader(text)

    def _next(self) -> Any:
        return self._loader.get_event()

    def _scalar(self, event: yaml.ScalarEvent, node: _Node) -> None:
        if not event.value and not event.style:
            raise yaml.YAMLError("the two put what is not written in different columns")
        super()._scalar(event, node)


_PLAIN = frozenset({"null", "bool", "int", "float"})


def _means_itself(kind: str, text: str) -> bool:
    """`no` and `on` are words, and 007 is not an octal number, whatever YAML 1.1 says."""
    if kind == "bool":
        return text.lower() not in ("true", "false")
    digits = text.lstrip("+-")
    return kind == "int" and len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()


_QUOTE = "Put the whole text in quotes."
_WORDS_AT = {
    "\t": ("A tab stands here, where YAML takes only spaces.", "Replace the tab by spaces."),
    "%": ("A text can't begin with % without quotes.", _QUOTE),
    "@": ("A text can't begin with @ without quotes.", _QUOTE),
    "`": ("A text can't begin with a backquote without quotes.", _QUOTE),
    "{": ("A brace can't open in the middle of a text here.", 'Put a text with ${{ … }} in quotes: "${{ … }}".'),
    ":": (
        "A colon can't begin a value here.",
        "Put the text in quotes if the colon belongs to it; otherwise correct the indentation.",
    ),
}

_OPENING = {"{": "brace", "[": "bracket", '"': "quote", "'": "quote"}


def _refuse(event: Any, message: str, remedy: str) -> NoReturn:
    raise _Refused(_start(event), message, remedy)


def _refuse_tag(event: Any) -> None:
    if event.tag is not None:
        remedy = "Remove the tag; write plain text, numbers, lists and mappings."
        _refuse(event, f"The tag {_short(event.tag)} is not read: values are plain.", remedy)


def _start(event: Any) -> Position:
    return Position(event.start_mark.line + 1, event.start_mark.column + 1)


def _is_text(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


def _walk(root: _Node) -> Iterator[tuple[Path, _Node]]:
    todo: list[tuple[Path, _Node]] = [((), root)]
    while todo:
        path, node = todo.pop()
        yield path, node
        todo.extend(((*path, key), child) for key, child in node.children.items())
