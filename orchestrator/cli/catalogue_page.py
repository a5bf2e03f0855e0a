"""The catalogue on a terminal or on paper, within 80 columns: a list of all, or one sheet."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from orchestrator.cli.wording import clean
from orchestrator.domain.catalogue import Catalogue, Clock, Fact, Product, Target, Vendor
from orchestrator.web.times import duration
from orchestrator.web.words import Language
from providers.wants import Words

WIDTH = 80
NAME_WIDTH, SERVES_WIDTH = 23, 20
HEADINGS = {
    "vendors": Words(fr="Fournisseurs", en="Vendors"),
    "targets": Words(fr="Solutions de repli", en="Targets"),
    "control": Words(fr="Qui décide", en="Control"),
    "signs": Words(fr="À quoi on le reconnaît", en="Recognised by"),
    "foundations": Words(fr="Sur quoi il repose", en="Stands on"),
    "parameters": Words(fr="À indiquer", en="To be given"),
    "onboarding": Words(fr="À préparer d'avance", en="To prepare beforehand"),
    "installed": Words(fr="Installation", en="Installation"),
    "automatic": Words(fr="Fait tout seul", en="Automatic"),
    "by_person": Words(fr="Fait par une personne", en="Done by a person"),
    "proofs": Words(fr="Preuves", en="Proofs"),
    "sensors": Words(fr="Surveillance", en="Watched by"),
    "clocks": Words(fr="Ce qui expire", en="What runs out"),
    "denials": Words(fr="À quoi ressemble un refus", en="How a refusal looks"),
    "limits": Words(fr="Limites", en="Limits"),
    "assurance": Words(fr="Attestations", en="Assurance"),
    "sources": Words(fr="Sources", en="Sources"),
}
SEEN = Words(fr="Vu à l'œuvre avec", en="Seen to work with")
PROVEN = {
    "stand-in": Words(fr="un simulateur", en="a stand-in"),
    "real-server": Words(fr="un vrai serveur", en="a real server"),
    "vendor": Words(fr="le fournisseur", en="the vendor"),
}


def list_lines(known: Catalogue, language: Language) -> Iterator[str]:
    """Every product in one line: name, what it serves as, whose law binds its owner, the owner."""
    groups: tuple[tuple[str, Sequence[Product]], ...] = (
        ("vendors", [known.vendors[name] for name in sorted(known.vendors)]),
        ("targets", [known.targets[name] for name in sorted(known.targets)]),
    )
    for heading, products in groups:
        yield _said(HEADINGS[heading], language)
        for one in products:
            serves = ", ".join(one.serves)
            line = f"  {name_of(one):<{NAME_WIDTH}}{serves:<{SERVES_WIDTH}}{one.control.country:<4}{one.control.owner}"
            yield line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"
        yield ""


def product_lines(known: Catalogue, product: Product, language: Language) -> Iterator[str]:
    """One sheet."""
    yield f"{_said(product.title, language)} ({name_of(product)})"
    yield from _wrapped(f"{product.company}, {product.jurisdiction}; {', '.join(product.serves)}", "")
    control = [f"{product.control.owner}, {product.control.country}"]
    if product.control.reason:
        control.append(_said(product.control.reason, language))
    yield from _section("control", control, language)
    yield from _section("signs", _signs(product), language)
    yield from _section("foundations", _foundations(product), language)
    if isinstance(product, Target):
        yield from _target(known, product, language)
    if isinstance(product, Vendor):
        yield from _vendor(product, language)
    yield from _section("sources", map(fact, product.sources), language)


def name_of(product: Product) -> str:
    """Its name in the catalogue."""
    assert isinstance(product, Vendor | Target)
    return product.target if isinstance(product, Target) else product.vendor


def installed_by(target: Target, language: Language = "en") -> str:
    """How an organisation gets it."""
    if target.play:
        product = f" ({target.target})" if target.play == "ansible/product.yml" else ""
        return f"{target.play}{product}"
    how = {
        "wizard": Words(fr="assistant du fournisseur", en="the vendor's wizard"),
        "api": Words(fr="compte et clé d'API", en="an account and an API key"),
        "self-hosted": Words(fr="à la main", en="by hand"),
    }
    return _said(how[target.onboarding.how], language)


def fact(one: Fact) -> str:
    """`What it says (address, 2026-11-20, not verified)`."""
    return f"{one.says} ({one.url}, {one.date}{'' if one.verified else ', not verified'})"


def _target(known: Catalogue, target: Target, language: Language) -> Iterator[str]:
    asked = known.parameters(target)
    parameters = [
        f"{name} ({one.type}{'' if one.default is None else f', {one.default!r}'}): "
        + (_said(one.description, language) if one.description else "")
        for name, one in asked.items()
    ]
    yield from _section("onboarding", (_said(one, language) for one in target.onboarding.steps), language, mark="[ ]")
    yield from _section("installed", [installed_by(target, language)], language)
    yield from _section("parameters", parameters, language)
    proven = f"{_said(SEEN, language)} {_said(PROVEN[target.work.proven_against], language)}"
    yield from _section("automatic", (_said(one, language) for one in target.work.automatic), language)
    yield from _section("by_person", (_said(one, language) for one in target.work.by_person), language)
    proofs = [f"{name}: {proof.uses}" for name, proof in target.proofs.items()]
    yield from _section("proofs", [*proofs, proven], language)
    yield from _section("limits", (_said(one, language) for one in target.limits), language)
    yield from _section("assurance", _assurance(target), language)


def _vendor(vendor: Vendor, language: Language) -> Iterator[str]:
    sensors = [f"{one.aspect}: {_said(one.title, language)} ({one.uses})" for one in vendor.sensors]
    clocks = [f"{_clock(one, language)} {fact(one.source)}" for one in vendor.clocks]
    denials = [
        f"{_said(one.means, language)}: {', '.join([*map(str, one.codes), *one.texts])}" for one in vendor.denials
    ]
    yield from _section("sensors", sensors, language)
    yield from _section("clocks", clocks, language)
    yield from _section("denials", denials, language)


def _signs(product: Product) -> Iterator[str]:
    for name, patterns in product.recognised.model_dump().items():
        if patterns:
            yield f"{name}: {', '.join(patterns)}"


def _foundations(product: Product) -> Iterator[str]:
    for one in product.foundations:
        yield f"{one.part}: {one.operator}, {one.country}. {fact(one.source)}"


def _assurance(target: Target) -> Iterator[str]:
    if target.assurance.secnumcloud:
        yield "SecNumCloud"
    for objective, level in sorted(target.assurance.levels.items()):
        yield f"{objective}: SEAL {level}"
    if target.assurance.source:
        yield fact(target.assurance.source)


def _section(heading: str, texts: Iterable[str], language: Language, mark: str = "-") -> Iterator[str]:
    """A heading and its points; nothing where there are none."""
    told = list(texts)
    if told:
        yield ""
        yield _said(HEADINGS[heading], language)
    for text in told:
        yield from _wrapped(text, f"  {mark} ")


def _wrapped(text: str, first: str) -> list[str]:
    return textwrap.wrap(
        clean(text), WIDTH, initial_indent=first, subsequent_indent=" " * len(first),
        break_on_hyphens=False, break_long_words=False,
    )  # fmt: skip


def _clock(one: Clock, language: Language) -> str:
    breaks = f" {_said(one.breaks, language)}." if one.breaks else ""
    return f"{duration(one.lasts, language)}: {_said(one.title, language)}.{breaks}"


def _said(words: Words, language: Language) -> str:
    return words.fr if language == "fr" else words.en
