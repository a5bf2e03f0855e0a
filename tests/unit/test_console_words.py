"""The catalogues: both languages say the same, everything that is said is there, and nothing else is said."""

import ast
import re
import string
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest

from orchestrator import cli
from orchestrator.web import times
from orchestrator.web.words import LANGUAGES, Language, forms, french, keys, knows, language_of, say, say_marked

WEB = Path(times.__file__).parent
CLI = Path(cli.__file__).parent
SPEAKING = sorted([*WEB.rglob("*.py"), *CLI.rglob("*.py")])
PRESSED = (
    "run_commands",
    "record_commands",
    "decision_commands",
    "halt_command",
    "proposal_commands",
    "standing_commands",
    "verdict_commands",
    "webhook_commands",
    "clocks_command",
    "doctor_command",
    "doctor_page",
    "plan_commands",
    "plan_page",
    "changes",
    "signals_page",
    "signals_commands",
    "board",
    "tree",
    "objectives",
    "watching",
)
"""Modules of the command line that say nothing but what is in the catalogues: what is typed under pressure."""
TEMPLATES = sorted((WEB / "pages" / "templates").glob("*.html"))
NAMES = frozenset({"Bascule", "UTC"})
"""What is the same in every language."""
_ATTRIBUTES = re.compile(r"""\b(?:aria-label|title|placeholder|alt|content)="([^"]*)\"""")


def test_both_languages_say_everything_alike() -> None:
    assert keys("fr") == keys("en")
    for key in keys("en"):
        assert len(forms("fr", key)) == len(forms("en", key)), key
        wanted = fields(forms("en", key)[-1])
        for language in LANGUAGES:
            assert fields(forms(language, key)[-1]) == wanted, key
            assert fields(forms(language, key)[0]) | {"count"} == wanted | {"count"}, key


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def spoken() -> Iterator[str]:
    """Every key that a template or a module asks for; `run.*` where a part of it is only known later."""
    for path in TEMPLATES:
        for found in re.finditer(r"""\bsay\(\s*"([a-z0-9_.\-]+)"(\s*~)?""", path.read_text()):
            yield found[1] + ("*" if found[2] else "")
    for path in SPEAKING:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                yield f"{node.values[0].value!s}*"
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_everything_that_is_said_is_in_the_catalogues() -> None:
    for path in TEMPLATES:
        for found in re.finditer(r"""\bsay\(\s*"([a-z0-9_.\-]+)"(\s*~)?""", path.read_text()):
            if found[2]:
                assert any(key.startswith(found[1]) for key in keys("en")), f"{path.name}: {found[1]}"
            else:
                assert knows("en", found[1]), f"{path.name}: {found[1]}"
    for path in SPEAKING:
        for node in ast.walk(ast.parse(path.read_text())):
            for key in keys_said(node):
                assert knows("en", key), f"{path.name}: {key}"


def keys_said(node: Any) -> list[str]:
    """Of `say(language, key)`, `here(key)`, `tell(key)`, `session.say(key)` and `CommandError.of(key)`."""
    if not isinstance(node, ast.Call):
        return []
    at = None
    if isinstance(node.func, ast.Name):
        at = {"say": 1, "here": 0, "tell": 0}.get(node.func.id)
    elif isinstance(node.func, ast.Attribute) and (node.func.attr == "say" or of_an_error(node.func)):
        at = 0
    if at is None or len(node.args) <= at:
        return []
    given = node.args[at]
    chosen = [given.body, given.orelse] if isinstance(given, ast.IfExp) else [given]
    found = [str(one.value) for one in chosen if isinstance(one, ast.Constant)]
    is_told = isinstance(node.func, ast.Name) and node.func.id == "tell"  # the demonstration tells whole sentences
    return [key for key in found if " " not in key] if is_told else found


def of_an_error(made: ast.Attribute) -> bool:
    return made.attr == "of" and isinstance(made.value, ast.Name) and made.value.id in ("CommandError", "Unreachable")


@pytest.mark.parametrize("module", PRESSED)
def test_what_is_typed_under_pressure_has_no_words_of_its_own(module: str) -> None:
    for node in ast.walk(ast.parse((CLI / f"{module}.py").read_text())):
        for text in texts_shown(node):
            assert words_in(re.sub(r"bascule [a-z ]*|--[a-z]+", "", text)) <= NAMES, f"{module}: {text}"


def texts_shown(node: Any) -> Iterator[str]:
    """Texts that are written where they are shown: `line`, `note`, `Text`, `append`, columns, errors, `yield`."""
    shows = {"line", "note", "Text", "append", "add_column", "add_row", "CommandError", "BadParameter", "_wrapped"}
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        shown = node.args if name in shows else []
    else:
        shown = [node.value] if isinstance(node, ast.Yield) and node.value is not None else []
    for one in shown:
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value
        elif isinstance(one, ast.JoinedStr):
            yield " ".join(str(part.value) for part in one.values if isinstance(part, ast.Constant))


def test_nothing_is_in_the_catalogues_that_nobody_says() -> None:
    said = set(spoken())
    beginnings = tuple(key[:-1] for key in said if key.endswith("*") and "." in key)
    assert [key for key in sorted(keys("en")) if key not in said and not key.startswith(beginnings)] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_has_no_words_of_its_own(path: Path) -> None:
    tokens = jinja2.Environment().lex(path.read_text())
    html = "".join(value if kind == "data" else "\u0001" if "begin" in kind else "" for _, kind, value in tokens)
    html = re.sub(r"<(code|script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
    for said in _ATTRIBUTES.findall(html):
        if not re.match(r"width=|light dark|\{|\d+$", said):
            assert words_in(said) <= NAMES, said
    assert words_in(re.sub(r"<[^>]*>", " ", html)) <= NAMES


def words_in(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]{2,}", re.sub(r"&[a-z]+;", " ", text)))


def test_spaces_before_double_signs_never_break_in_french() -> None:
    assert french("Motif : « non » ; vraiment ? Oui !") == (
        "Motif\u00a0: «\u202fnon\u202f»\u202f; vraiment\u202f? Oui\u202f!"
    )
    assert french("a:b http://x ?") == "a:b http://x\u202f?"
    for key in keys("fr"):
        for text in forms("fr", key):
            assert not re.search(r" [;!?»]|« | :(\s|$)", text), key
            assert "'" not in text, f"{key}: an apostrophe is ’"
            assert not re.search(r"\w[;!?](\s|$)", text), f"{key}: a space goes before the sign"


@pytest.mark.parametrize(
    ("language", "count", "said"),
    [("en", 0, "0 domains"), ("en", 1, "1 domain"), ("en", 2, "2 domains"), ("fr", 1, "1 domaine"), ("fr", 2, "2 d")],
)
def test_one_and_many(language: Language, count: int, said: str) -> None:
    assert say(language, "map.single.domains", count=count).startswith(said)


def test_nothing_is_one_in_french() -> None:
    assert say("fr", "map.single.domains", count=0) == forms("fr", "map.single.domains")[0]


def test_values_are_escaped_on_a_page() -> None:
    assert "&lt;b&gt;" in say_marked("en", "wait.given", names="<b>")
    assert "<b>" in say("en", "wait.given", names="<b>")


def test_an_unknown_message_is_an_error() -> None:
    with pytest.raises(KeyError):
        say("en", "nothing.of.the.kind")


@pytest.mark.parametrize(
    ("asked", "accepted", "remembered", "language"),
    [
        (None, "fr", "en", "en"),
        ("fr", "en", "en", "fr"),
        ("xx", "en", "fr", "fr"),
        (None, "fr", "xx", "fr"),
    ],
)
def test_what_was_chosen_goes_before_what_the_browser_says(
    asked: str | None, accepted: str, remembered: str, language: str
) -> None:
    assert language_of(asked, accepted, remembered) == language


def test_times_are_told_here_and_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    at = 1_795_680_407.0
    for zone, english, frenched in (
        ("UTC", "26 Nov 2026, 08:06:47 UTC", "26 nov. 2026, 08:06:47 UTC"),
        ("Europe/Paris", "26 Nov 2026, 09:06:47 (08:06:47 UTC)", "26 nov. 2026, 09:06:47 (08:06:47 UTC)"),
        ("Asia/Tokyo", "26 Nov 2026, 17:06:47 (08:06:47 UTC)", "26 nov. 2026, 17:06:47 (08:06:47 UTC)"),
    ):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert times.moment("en", at) == english
        assert times.moment("fr", at) == frenched
        assert str(times.marked("en", at)).startswith('<time datetime="2026-11-26T08:06:47Z">')
    monkeypatch.undo()
    time.tzset()
