"""docs/targets.md, made from the catalogue: what each target takes, and how far it was proven."""

from collections.abc import Iterable

from orchestrator.cli.catalogue_page import PROVEN, installed_by
from orchestrator.domain.catalogue import Catalogue, Target
from providers.wants import Words

HEAD = """\
# Targets

Printed by `bascule catalogue --markdown`; a test compares. `bascule catalogue NAME` prints one sheet with the steps to
prepare, the parameters, the proofs and the sources, in French with `--language fr`.

*Proven against* says what the rehearsed move was seen to work with: a stand-in (Bascule's own simulation of the
product's interfaces), a real server of that software, or the vendor. A play that nobody has run on a real server yet
says `verified: false` in its product file.
"""
COLUMNS = ("target", "serves", "controlled from", "automatic", "done by a person", "installed by", "proven against")


def targets_page(known: Catalogue) -> str:
    """The whole page."""
    targets = [known.targets[name] for name in sorted(known.targets)]
    table = [_row(COLUMNS), _row("---" for _ in COLUMNS), *(_row(_cells(one)) for one in targets)]
    limits = [f"- **{one.title.en}**: {_joined(one.limits)}" for one in targets if one.limits]
    return "\n".join([HEAD, *table, "", "## Limits", "", *limits, ""])


def summary(known: Catalogue) -> str:
    """The table of the README: by what people use, what moves by itself, what a person does, how far it was proven."""
    offered = [one for one in known.targets.values() if one.work.automatic]
    rows = sorted((", ".join(one.serves), one.title.en, one) for one in offered)
    columns = ("serves", "target", "automatic", "done by a person", "proven against")
    table = [_row(columns), _row("---" for _ in columns)]
    for serves, title, one in rows:
        table.append(_row((serves, title, _joined(one.work.automatic), _joined(one.work.by_person), _proven(one))))
    return "\n".join(table)


def _proven(target: Target) -> str:
    return PROVEN[target.work.proven_against].en


def _cells(target: Target) -> Iterable[str]:
    yield f"`{target.target}` {target.title.en}"
    yield ", ".join(target.serves)
    yield target.control.country
    yield _joined(target.work.automatic)
    yield _joined(target.work.by_person)
    yield f"`{installed_by(target)}`" if target.play else installed_by(target)
    yield _proven(target)


def _joined(words: Iterable[Words]) -> str:
    return "; ".join(one.en for one in words)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
