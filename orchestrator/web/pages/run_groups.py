"""The steps of a run as the page lists them: in the plan's order, by what must be looked at first, or by time.

In the plan's order there is a group for each service; the others are grouped by what they are sorted by. Pure.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from types import MappingProxyType

from orchestrator.web.pages.run_view import StepView
from orchestrator.web.words import Language, say

ALL_OPEN = 150
"""Steps up to which every group is open at first."""
OPEN_AT_MOST = 100
"""Steps of a group that is opened by itself in a larger run, because something happens there."""

TONES: Mapping[str, str] = MappingProxyType(
    {"bad": "decide", "waits": "waits", "moving": "moving", "odd": "skipped", "good": "done", "quiet": "later"}
)
"""Of steps, by what must be looked at first, with the icon that stands for any of them."""
_LOUD = frozenset({"bad", "waits", "moving"})


class Sort(StrEnum):
    ORDER = "order"
    STATE = "state"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Count:
    """How many steps are of a tone; `icon` and `word` say which."""

    tone: str
    icon: str
    word: str
    number: int


@dataclass(frozen=True, slots=True)
class Group:
    """`name`: the service, or what the group is of otherwise. `tone`: the loudest of its steps'."""

    name: str
    title: str
    steps: tuple[StepView, ...]
    counts: tuple[Count, ...]
    is_open: bool

    @property
    def done(self) -> int:
        return sum(count.number for count in self.counts if count.tone in ("good", "odd"))

    @property
    def loudest(self) -> Count:
        return loudest(self.counts)


def groups(
    language: Language, steps: Sequence[StepView], services: Sequence[str], titles: Mapping[str, str], sort: Sort
) -> list[Group]:
    """`services` in the plan's order, with their titles in the reader's language."""
    if sort is Sort.STATE:
        word = _word(language)
        return [_group(language, tone, word(tone), found, len(steps)) for tone, found in _by_tone(steps)]
    if sort is Sort.TIME:
        timed = _by_time(steps)
        return [_group(language, name, say(language, f"sort.{name}"), found, len(steps)) for name, found in timed]
    by_service: dict[str, list[StepView]] = {name: [] for name in services}
    for step in steps:
        by_service.setdefault(step.service, []).append(step)
    return [
        _group(language, name, titles.get(name, name), found, len(steps)) for name, found in by_service.items() if found
    ]


def loudest(counts: Sequence[Count]) -> Count:
    """What one sign says of many steps: what must be looked at, else what moves, else what is to come, else done."""
    ranks = ("bad", "waits", "moving", "quiet", "odd", "good")
    there = {count.tone: count for count in counts if count.number}
    return next((there[tone] for tone in ranks if tone in there), counts[-1])


def counted(language: Language, steps: Iterable[StepView]) -> tuple[Count, ...]:
    """Every tone, those of no step as well: the page's script counts on."""
    numbers = Counter(step.tone for step in steps)
    word = _word(language)
    return tuple(Count(tone, icon, word(tone), numbers[tone]) for tone, icon in TONES.items())


def _word(language: Language) -> Callable[[str], str]:
    return lambda tone: say(language, f"tone.{tone}")


def _group(language: Language, name: str, title: str, steps: Sequence[StepView], of: int) -> Group:
    counts = counted(language, steps)
    stirs = any(count.number for count in counts if count.tone in _LOUD)
    return Group(name, title, tuple(steps), counts, of <= ALL_OPEN or (stirs and len(steps) <= OPEN_AT_MOST))


def _by_tone(steps: Iterable[StepView]) -> list[tuple[str, list[StepView]]]:
    found: dict[str, list[StepView]] = {tone: [] for tone in TONES}
    for step in steps:
        found[step.tone].append(step)
    return [(tone, members) for tone, members in found.items() if members]


def _by_time(steps: Sequence[StepView]) -> list[tuple[str, list[StepView]]]:
    """Under way, the one that began first before the others; ended, the latest first; those that did not begin."""
    going = sorted((step for step in steps if step.since and not step.until), key=attrgetter("since"))
    ended = sorted((step for step in steps if step.until), key=attrgetter("until"), reverse=True)
    still = [step for step in steps if not step.since and not step.until]
    found = {"going": going, "ended": ended, "still": still}
    return [(name, members) for name, members in found.items() if members]
