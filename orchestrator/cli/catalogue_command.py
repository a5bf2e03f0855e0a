"""`bascule catalogue`: what is known of vendors and targets, for people, programs and the documentation."""

from difflib import get_close_matches
from typing import Annotated, Any

import typer

from orchestrator.catalogue_files import shipped
from orchestrator.cli.catalogue_markdown import targets_page
from orchestrator.cli.catalogue_page import list_lines, product_lines
from orchestrator.cli.exits import CommandError, Exit
from orchestrator.cli.language import Chosen
from orchestrator.cli.session import Json, session_of
from orchestrator.domain.catalogue import Catalogue, Product, Target


def catalogue(
    context: typer.Context,
    language: Chosen,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="A vendor or a target; without it, all.")] = "",
    as_json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/targets.md: all targets in tables.")] = False,
) -> None:
    """What is known of the vendors that may be cut off and of the targets: who controls them, how a move goes.

    Needs no service. With NAME a sheet to print: control, onboarding, clocks, limits, sources.
    """
    session, known = session_of(context), shipped()
    if markdown and (name or as_json):
        raise CommandError("--markdown prints all targets: leave NAME and --json away.", Exit.USAGE)
    product = _named(known, name) if name else None
    if as_json:
        session.json(as_value(product) if product else all_values(known))
        return
    if markdown:
        session.line(targets_page(known).rstrip("\n"), copied=True)
        return
    for line in product_lines(known, product, language) if product else list_lines(known, language):
        session.line(line, copied=True)


def all_values(known: Catalogue) -> dict[str, Any]:
    """The whole catalogue as JSON takes it."""
    return {
        "vendors": [as_value(known.vendors[name]) for name in sorted(known.vendors)],
        "targets": [as_value(known.targets[name]) for name in sorted(known.targets)],
    }


def as_value(product: Product) -> dict[str, Any]:
    """One product as its file says it, with `kind`; what the file leaves out has its default."""
    kind = "target" if isinstance(product, Target) else "vendor"
    return {"kind": kind, **product.model_dump(mode="json", by_alias=True)}


def _named(known: Catalogue, name: str) -> Product:
    found = known.product(name)
    if found is None:
        near = get_close_matches(name, [*known.vendors, *known.targets], n=1)
        hint = f"did you mean {near[0]}?" if near else "`bascule catalogue` lists what it has."
        raise CommandError(f"The catalogue has no {name}: {hint}", Exit.USAGE)
    return found
