"""A notice on paper: A4 in large type, a new page for each language, with nothing from elsewhere.

Beside it lie the signed text, its signature, the key, and a text for the organisation's own page, which says how
anybody verifies them.
"""

import html
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt

from providers.people.notice import Notice, Section
from providers.people.signature import Signer, TextSignature
from providers.people.wording import LANGUAGES, Language, say

_STYLE = """
@page { size: A4; margin: 16mm; }
body { font: 14pt/1.35 sans-serif; color: #000; background: #fff; margin: 0 auto; max-width: 174mm; }
article { break-after: page; }
article:last-child { break-after: auto; }
h1 { font-size: 26pt; line-height: 1.2; margin: 0 0 6mm; }
h2 { font-size: 17pt; margin: 6mm 0 1mm; break-after: avoid; }
p { margin: 1mm 0; overflow-wrap: anywhere; }
section:first-of-type { border: 1.5pt solid #000; padding: 2mm 5mm 4mm; }
.reference { font-size: 22pt; font-weight: bold; }
.signature { font: 9pt/1.3 monospace; }
"""


def print_notice(notice: Notice, signer: Signer, folder: Path) -> Path:
    """Write the page, and what verifies it, into this folder; the page's path. The same notice is the same files."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"notice-{notice.reference}{'-undo' if notice.first else ''}"
    signed = signer.signed_text(notice.canonical())
    _write(folder / f"{name}.txt", notice.canonical().encode())
    if signed is not None:
        _write(folder / f"{name}-verify.txt", verification(notice, signed, name).encode())
        _write(folder / f"{name}.sig", signed.value)
        _write(folder / f"{name}.pem", signed.public_key.encode())
    page = folder / f"{name}.html"
    _write(page, page_of(notice, signed).encode())
    return page


def page_of(notice: Notice, signed: TextSignature | None) -> str:
    articles = "\n".join("".join(_article(notice, language, signed)) for language in LANGUAGES)
    title = html.escape(" / ".join(notice.subject(language) for language in LANGUAGES))
    return (
        '<!doctype html>\n<html lang="fr">\n<head><meta charset="utf-8">'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n<body>\n{articles}\n</body>\n</html>\n"
    )


def verification(notice: Notice, signed: TextSignature, name: str) -> str:
    """What the organisation publishes of this notice: its reference, the key, and the command that verifies it."""
    parts = [f"{say(language, 'publish')}\n{notice.subject(language)}" for language in LANGUAGES]
    parts.append(f"{say('fr', 'reference')} / {say('en', 'reference')} {notice.reference}")
    parts += [
        say(language, "notice_signed", fingerprint=signed.fingerprint, signature=str(signed)) for language in LANGUAGES
    ]
    parts.append(signed.public_key.strip())
    command = f"openssl pkeyutl -verify -rawin -pubin -inkey {name}.pem -sigfile {name}.sig -in {name}.txt"
    parts += [f"{say(language, 'verify_text')} {command}" for language in LANGUAGES]
    return "\n\n".join(parts) + "\n"


def _article(notice: Notice, language: Language, signed: TextSignature | None) -> Iterator[str]:
    yield f'<article lang="{language}">\n<h1>{html.escape(notice.subject(language))}</h1>\n'
    changes, *rest = notice.sections(language)
    yield _section(changes)
    if sheet := notice.sheets.get(language):
        yield f"<section><h2>{say(language, 'instructions')}</h2>\n{_markdown(sheet)}</section>\n"
    yield from map(_section, rest)
    yield f'<p>{say(language, "reference")} <span class="reference">{html.escape(notice.reference)}</span></p>\n'
    if signed is not None:
        told = say(language, "notice_signed", fingerprint=signed.fingerprint, signature=str(signed))
        yield f'<p class="signature">{html.escape(told)}</p>\n'
    yield "</article>"


def _section(section: Section) -> str:
    lines = "".join(f"<p>{html.escape(line)}</p>\n" for line in section.lines)
    return f"<section><h2>{html.escape(section.heading)}</h2>\n{lines}</section>\n"


def _markdown(sheet: str) -> str:
    """Without HTML of its own, without pictures and links: what is printed is what is written."""
    made = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "html_block", "html_inline"])
    text: str = made.disable(["link", "autolink", "reference"]).render(sheet)
    return text


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    partial = path.with_name(f"{path.name}.part")
    partial.write_bytes(content)
    partial.replace(path)
