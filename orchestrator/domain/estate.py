"""The estate's own sheet, bascule.yaml: its services, its scopes, and its policy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from orchestrator.domain.kinds import KINDS, check_inputs
from orchestrator.domain.model import Mode
from orchestrator.domain.policy import Policy
from orchestrator.domain.problem import Complaint, Path, Problem
from orchestrator.domain.references import find_in_keys, find_malformed, find_references, is_open, value_at
from orchestrator.domain.salvage import Part, salvage
from orchestrator.domain.scope import Scope as Scope
from orchestrator.domain.signals.source import Signals
from orchestrator.domain.wording import did_you_mean, shown
from orchestrator.domain.yaml_text import Document, read_yaml
from providers.wants import Name, Providers, Seconds, Words

FILE = "bascule.yaml"

_NO_WORDS = {"fr": "?", "en": "?"}


class Origin(Part):
    """The probe by which the place that a service left shows that it is alive, before an undo goes back to it."""

    uses: str
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")


class Service(Part):
    """What the organisation runs for its people, whom it depends on, and where it falls back to."""

    title: Words
    criticality: Literal["critical", "high", "normal"] = "normal"
    needs: tuple[Name, ...] = ()
    vendor: Name
    target: Name
    clouds: Providers | None = Field(default=None, description="where its servers may be, the first that has room")
    rto: Seconds | None = Field(default=None, description="the longest it may be away")
    rpo: Seconds | None = Field(default=None, description="how much of the latest data may be lost")
    failover: Name | None = None
    failback: Name | None = None
    origin: Origin | None = None


class Estate(Part):
    """An organisation's services and scopes, and what it asks of the places that it falls back to."""

    name: str
    title: Words
    services: dict[str, Service]
    scopes: dict[str, Scope]
    policy: Policy = Policy()
    signals: Signals = Signals()


class EstateText(Part):
    """bascule.yaml as it is written; services and scopes are read one by one."""

    estate: Name
    title: Words
    services: dict[Name, Any] = Field(min_length=1)
    scopes: dict[Name, Any] = Field(min_length=1)
    policy: Policy = Policy()
    signals: Signals = Signals()


@dataclass(frozen=True, slots=True)
class EstateSheet:
    """bascule.yaml as far as it can be read; `estate` lacks what could not be understood."""

    document: Document
    estate: Estate


def read_estate(text: str | bytes, file: str = FILE) -> tuple[Estate | None, list[Problem]]:
    """The estate, or all that is wrong within this file. What other files decide is checked by `bundle`."""
    sheet, problems = read_estate_sheet(text, file)
    return (sheet.estate if sheet and not problems else None), problems


def read_estate_sheet(text: str | bytes, file: str) -> tuple[EstateSheet | None, list[Problem]]:
    """The estate as far as it can be read, and everything wrong within the file; None when it is no mapping."""
    document, problems = read_yaml(text, file)
    if document is None:
        return None, problems
    if not isinstance(document.data, Mapping):
        what = "The file is empty." if document.data is None else f"The file holds {shown(document.data)}, no mapping."
        return None, [*problems, document.problem(Complaint((), what, "Begin with `estate: name`."))]
    complaints: list[Complaint] = []
    estate = _estate(document.data, complaints)
    complaints = [one for one in complaints if not is_open(value_at(document.data, one.path))]
    problems += document.problems([*complaints, *_references(document.data)])
    return EstateSheet(document, estate), sorted(problems)


def written_block(data: object, *path: str) -> Mapping[str, Any]:
    """The mapping at a path of a file as it is written; empty where there is none."""
    for part in path:
        data = data.get(part) if isinstance(data, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def _estate(data: Mapping[str, Any], complaints: list[Complaint]) -> Estate:
    some = {"x": None}
    head = salvage(EstateText, data, complaints, estate="unknown", title=_NO_WORDS, services=some, scopes=some)
    services = {name: _service(name, body, complaints) for name, body in written_block(data, "services").items()}
    scopes = {name: read_scope(name, body, complaints) for name, body in written_block(data, "scopes").items()}
    return Estate(
        name=head.estate, title=head.title, services=services, scopes=scopes, policy=head.policy, signals=head.signals
    )


def _service(name: str, body: object, complaints: list[Complaint]) -> Service:
    path: Path = ("services", name)
    if not isinstance(body, Mapping):
        message = f"The service `{name}` is {shown(body)}, no mapping."
        complaints.append(Complaint(path, message, "Write `title`, `vendor` and `target` below it."))
        return Service(title=Words(**_NO_WORDS), vendor="unknown", target="unknown")
    service = salvage(Service, body, complaints, *path, title=_NO_WORDS, vendor="unknown", target="unknown")
    if service.origin is not None:
        complaints += [one.under(*path, "origin") for one in _wrong_origin(service.origin)]
    return service


def _wrong_origin(origin: Origin) -> Iterator[Complaint]:
    probes = [name for name in KINDS if name.startswith("probe.")]
    if origin.uses not in probes:
        remedy = did_you_mean(origin.uses, probes, "Name a probe.")
        yield Complaint(("uses",), f"{shown(origin.uses)} is no probe.", remedy)
        return
    for one in check_inputs(origin.uses, origin.with_, resolved=False):
        yield one.under("with")


def read_scope(name: str, body: object, complaints: list[Complaint]) -> Scope:
    """One scope as far as it can be read; what is wrong with it is added to the complaints."""
    path: Path = ("scopes", name)
    if not isinstance(body, Mapping):
        message = f"The scope `{name}` is {shown(body)}, no mapping."
        complaints.append(Complaint(path, message, "Write `mode: rehearsal`, `drill` or `live` below it."))
        return Scope(mode=Mode.REHEARSAL)
    scope = salvage(Scope, body, complaints, *path, mode=Mode.REHEARSAL)
    if scope.mode is Mode.REHEARSAL and "networks" not in body and body.get("mode") == "rehearsal":
        message = "A rehearsal that names no `networks` could reach the whole world."
        remedy = "Add `networks`, the simulator's: [127.0.0.0/8, 198.18.0.0/16]."
        complaints.append(Complaint((*path, "networks"), message, remedy))
    return scope


def _references(data: Mapping[str, Any]) -> Iterator[Complaint]:
    """Only a service's `origin` may hold references: everything else is what references lead to."""
    for path in find_in_keys(data):
        yield Complaint(path, "A key can't be a reference.", "Write the key out.", on_key=True)
    for path, wrong in find_malformed(data):
        message = f"{shown(wrong)} is no reference: only a dotted path may stand inside."
        yield Complaint(path, message, "Write it such as ${{ parameters.domain }}.")
    for path, reference in find_references(data):
        if not (len(path) > 3 and path[0] == "services" and path[2] == "origin"):
            message = f"A reference to {'.'.join(reference)} can't stand here."
            yield Complaint(path, message, "Write the value out: references are for runbooks and for `origin`.")
