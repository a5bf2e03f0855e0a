"""The verdicts of a time drawn as one SVG: a lane for each subject, higher and darker the worse it is. Pure.

The picture stands alone: its colours are the console's, in light and dark, its
words are text, and every span has its sentence as a title.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape

from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.replay import Replay, Span
from orchestrator.domain.signals.words import VERDICTS

WIDTH, LEFT, RIGHT, TOP = 1080.0, 190.0, 20.0, 58.0
LANE, TALLEST = 46.0, 28.0
HEIGHTS: Mapping[Verdict, float] = {
    Verdict.UNKNOWN: 6.0,
    Verdict.NOMINAL: 6.0,
    Verdict.SUSPECT: 13.0,
    Verdict.ERODING: 20.0,
    Verdict.CUT: TALLEST,
}
LONGEST_NAME = 24
"""Characters of a subject that fit beside its lane."""
_NARROWEST = 1.5
_LETTER = 7.0
"""Width of a letter of a label."""
_TICKS = (300, 900, 3600, 10800, 21600, 43200, 86400, 172800, 604800, 2592000, 7776000)

STYLE = """
svg{--paper:#fff;--ink:#1b2127;--soft:#57616b;--line:#dddad1;--good:#17683f;--waits:#865300;--odd:#6a4390;--bad:#a9221b;
--quiet:#57616b;background:var(--paper);font:13px system-ui,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
@media(prefers-color-scheme:dark){svg{--paper:#191f25;--ink:#e6e8e9;--soft:#9aa5af;--line:#2b333b;--good:#6bcb97;
--waits:#efbd5f;--odd:#c7a8ea;--bad:#ff958b;--quiet:#9aa5af}}
text{fill:var(--ink)}.soft{fill:var(--soft);font-size:11px}.title{font-size:15px;font-weight:650}
line{stroke:var(--line)}.nominal{fill:var(--good)}.suspect{fill:var(--waits)}.eroding{fill:var(--odd)}.cut{fill:var(--bad)}
rect.unknown{fill:none;stroke:var(--quiet);stroke-dasharray:3 3}text.word{font-size:11px}text.unknown{fill:var(--quiet)}
""".strip().replace("\n", "")


def chart(found: Replay, language: str = "en") -> str:
    """The whole picture, as a document of its own or inline in a page."""
    spans = found.spans()
    height = TOP + LANE * max(len(spans), 1) + 34
    start, end = _bounds(found)
    title = _title(found, start, end, language)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" role="img"',
        f'aria-label="{_safe(title)}">',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH:g}" height="{height:g}" style="fill:var(--paper)"/>',
        f'<text class="title" x="16" y="27">{_safe(title)}</text>',
        *_axis(start, end, height - 26),
    ]
    for number, (subject, lane) in enumerate(spans.items()):
        parts += _lane(subject, lane, TOP + LANE * number, start, end, language)
    return "\n".join([*parts, "</svg>", ""])


def _bounds(found: Replay) -> tuple[float, float]:
    if found.first > found.last:
        return 0.0, 3600.0
    return found.first, max(found.last, found.first + 60.0)


def _title(found: Replay, start: float, end: float, language: str) -> str:
    if not found.count:
        return "Aucune observation" if language == "fr" else "No observations"
    return f"Verdicts, {_stamp(start)} – {_stamp(end)} UTC"


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def _across(at: float, start: float, end: float) -> float:
    share = min(max((at - start) / (end - start), 0.0), 1.0)
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _axis(start: float, end: float, bottom: float) -> Iterator[str]:
    """At most ten lines, on full minutes, hours or days."""
    step = next((one for one in _TICKS if (end - start) / one <= 10), (end - start) / 10)
    at = (start // step + 1) * step
    form = "%H:%M" if step < 86400 else "%Y-%m-%d"
    while at < end:
        x = _across(at, start, end)
        moment = datetime.fromtimestamp(at, UTC)
        told = moment.strftime("%m-%d" if step < 86400 and moment.hour == 0 == moment.minute else form)
        yield f'<line x1="{x:.1f}" y1="{TOP - 12:g}" x2="{x:.1f}" y2="{bottom:g}"/>'
        yield f'<text class="soft" x="{x:.1f}" y="{bottom + 16:g}" text-anchor="middle">{told}</text>'
        at += step


def _lane(subject: str, spans: Sequence[Span], top: float, start: float, end: float, language: str) -> Iterator[str]:
    name = subject if len(subject) <= LONGEST_NAME else f"{subject[: LONGEST_NAME - 1]}…"
    base = top + TALLEST
    yield f'<text x="16" y="{base - 2:g}">{_safe(name)}<title>{_safe(subject)}</title></text>'
    taken = 0.0
    for span in spans:
        left = _across(span.start, start, end)
        width = max(_across(span.end, start, end) - left, _NARROWEST)
        high = HEIGHTS[span.verdict]
        kind = span.verdict.value
        yield (
            f'<rect class="{kind}" x="{left:.1f}" y="{base - high:.1f}" width="{width:.1f}" height="{high:g}" rx="2">'
            f"<title>{_safe(span.words[language])}</title></rect>"
        )
        word = VERDICTS[span.verdict][0 if language == "fr" else 1]
        if width >= len(word) * _LETTER and left >= taken:
            taken = left + len(word) * _LETTER
            yield f'<text class="{kind} word" x="{left + 2:.1f}" y="{base + 12:g}">{_safe(word)}</text>'


def _safe(text: str) -> str:
    """Foreign names are text, and nothing that XML forbids."""
    return escape("".join(sign if sign.isprintable() else "?" for sign in text), quote=True)
