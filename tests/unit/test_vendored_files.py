"""What others wrote and the page brings along is what they published."""

import hashlib
from pathlib import Path

from orchestrator.web.pages.page import STATIC

VENDOR = STATIC / "vendor"


def test_vendored_files_are_what_their_authors_published() -> None:
    lines = (line.split() for line in (VENDOR / "SHA256SUMS").read_text().splitlines())
    told = {name: hashed for hashed, name in lines}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.glob("*.js")}
    assert found == told
    listed = (VENDOR / "README.md").read_text()
    assert all(f"`{name}`" in listed for name in found)
    templates = "".join(path.read_text() for path in (Path(STATIC).parent / "templates").glob("*.html"))
    assert all(f"/static/vendor/{name}" in templates for name in found)


def test_the_stylesheet_s_sections_begin_outside_of_any_rule() -> None:
    depth = 0
    for number, line in enumerate((STATIC / "style.css").read_text().splitlines(), 1):
        assert not (line.startswith("/*") and depth), f"style.css:{number}: what is above is not closed"
        depth += line.count("{") - line.count("}")
    assert depth == 0
