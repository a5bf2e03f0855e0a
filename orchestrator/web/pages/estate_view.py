"""What pages show of the estate: who signed a commit, a block of its sheet as it is written, lines of a difference."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from orchestrator.domain.estate import FILE
from orchestrator.domain.estate_changes import Changed
from orchestrator.domain.problem import Problem
from orchestrator.domain.trust import Signature, Voucher
from orchestrator.operations.estate_reading import FileChange
from orchestrator.web.pages.text import clean
from orchestrator.web.words import Language, say

MOST_BLOCK = 200
"""Lines of a block that are shown."""
MOST_PROBLEMS = 100
OPEN = 12
"""Files whose differences are unfolded from the beginning."""
MOST_PARTS = 12
_PASSWORD = re.compile(r"//[^/@\s]+@")
_TONES = {"+": "good", "-": "bad", "@": "moving"}


@dataclass(frozen=True)
class ProblemLine:
    """`link`: to the line of the file; empty where no file can be shown."""

    where: str
    link: str
    message: str
    remedy: str


@dataclass(frozen=True)
class Block:
    """A block of bascule.yaml from its first line on, as it is written. `cut`: lines that are left out."""

    first: int
    text: str
    cut: int


@dataclass(frozen=True)
class FileView:
    """`lines`: sign and text of each line of the difference. `note`: why there are none, or not all."""

    path: str
    word: str
    icon: str
    tone: str
    link: str
    added: int
    removed: int
    lines: list[tuple[str, str]]
    note: str
    unfolded: bool


@dataclass(frozen=True)
class ChangedView:
    name: str
    icon: str
    word: str
    parts: str


def file_link(path: str, commit: str, line: int = 0) -> str:
    return f"/estate/files/{quote(path)}?{urlencode({'commit': commit})}{f'#L{line}' if line else ''}"


def compare_link(before: str, after: str) -> str:
    return f"/estate/compare?{urlencode({'before': before, 'after': after})}"


def without_password(text: str) -> str:
    """An address, or what git says of it."""
    return _PASSWORD.sub("//", text)


def signers(voucher: Voucher | None) -> list[str]:
    """Whoever signed the commit, and the two who signed its policy, where it changed that."""
    return [] if voucher is None else [_signer(voucher.signature)]


def policy_signers(voucher: Voucher | None) -> list[str]:
    return [] if voucher is None else [_signer(one) for one in voucher.policy]


def _signer(one: Signature) -> str:
    return clean(f"{', '.join(one.principals)} ({one.key})")


def problem_lines(problems: Sequence[Problem], commit: str, *, linked: bool) -> list[ProblemLine]:
    return [
        ProblemLine(
            where=f"{one.file}:{one.line}:{one.column}",
            link=file_link(one.file, commit, one.line) if linked else "",
            message=one.message,
            remedy=one.remedy,
        )
        for one in problems[:MOST_PROBLEMS]
    ]


def block_of(sheet: str, name: str) -> Block | None:
    """A block at the top of the sheet, up to the next one; None where there is none that is written as blocks are."""
    lines = sheet.splitlines()
    first = next((at for at, line in enumerate(lines) if re.match(rf"{name}\s*:", line)), None)
    if first is None:
        return None
    last = next((at for at in range(first + 1, len(lines)) if re.match(r"[A-Za-z\"'.-]", lines[at])), len(lines))
    while last > first + 1 and (not lines[last - 1].strip() or lines[last - 1].startswith("#")):
        last -= 1
    shown = lines[first:last][:MOST_BLOCK]
    return Block(first + 1, "\n".join(shown), last - first - len(shown))


def changed_views(language: Language, changed: Sequence[Changed]) -> list[ChangedView]:
    return [
        ChangedView(
            name=clean(one.name),
            icon={"added": "added", "removed": "removed"}.get(one.how, "edited"),
            word=say(language, f"estate.{one.how}"),
            parts=_some(language, one.parts),
        )
        for one in changed
    ]


def _some(language: Language, parts: Sequence[str]) -> str:
    told = clean(", ".join(parts[:MOST_PARTS]))
    more = len(parts) - MOST_PARTS
    return f"{told}, {say(language, 'estate.more', count=more)}" if more > 0 else told


def file_views(language: Language, files: Sequence[FileChange], before: str, after: str) -> Iterator[FileView]:
    for number, one in enumerate(files):
        how = "changed" if one.before and one.after else "removed" if one.before else "added"
        lines = [(line[:1], clean(line)) for line in one.difference.text.split("\n")[:-1]] if one.difference else []
        yield FileView(
            path=one.path,
            word=say(language, f"estate.{how}"),
            icon={"added": "added", "removed": "removed"}.get(how, "edited"),
            tone={"added": "good", "removed": "bad"}.get(how, "moving"),
            link=file_link(one.path, after if one.after else before),
            added=sum(sign == "+" for sign, _ in lines),
            removed=sum(sign == "-" for sign, _ in lines),
            lines=[(_TONES.get(sign, "quiet"), text) for sign, text in lines],
            note=_note(language, one),
            unfolded=number < OPEN or one.path == FILE,
        )


def _note(language: Language, one: FileChange) -> str:
    if one.difference is None:
        return say(language, "estate.diff.left_out")
    if one.difference.binary:
        return say(language, "estate.diff.binary")
    if one.difference.late:
        return say(language, "estate.diff.late")
    return say(language, "estate.diff.cut") if one.difference.cut else ""
