"""How a play ended: decided from its stats, kept as the proof of the step. Pure."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from providers.ansible.events import Tally, Trouble, flat

OUTPUTS_LIMIT = 100_000
"""Bytes of JSON that a play may hand out."""
MESSAGE_LIMIT = 2000
"""Characters of a failure's message."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What becomes a ProviderError; see there for the two flags."""

    message: str
    permanent: bool
    effect_possible: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """A finished attempt. `play` and `want` are the digests of what ran and of what was asked for."""

    rc: int | None
    stats: dict[str, dict[str, int]]
    outputs: dict[str, Any]
    play: str
    want: str
    failure: Failure | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        failure = Failure(**data["failure"]) if data["failure"] else None
        return cls(**{**data, "failure": failure})


@dataclass(frozen=True, slots=True)
class Asked:
    """What the attempt was asked to run, as the messages name it. `hosts`: name -> address."""

    play: str
    hosts: dict[str, str]
    known_hosts: str


def failure_of(tally: Tally, rc: int | None, outputs_size: int, asked: Asked) -> Failure | None:
    """Why the play did not do what was wanted, or None.

    The stats decide, not the exit code: it says 0 of a play that matched no
    host. A task that failed will fail again; a host out of reach may come back.
    """
    if tally.stats is None:
        return _unfinished(tally, rc, asked)
    if tally.stats["failures"]:
        return Failure(_failed(tally, asked), permanent=True, effect_possible=True)
    if tally.stats["dark"]:
        return Failure(_unreachable(tally, asked), permanent=False, effect_possible=bool(tally.stats["ok"]))
    if not tally.stats["processed"]:
        names = ", ".join(sorted(asked.hosts))
        text = f"{asked.play} ran on no host; its `hosts` must match one of: {names}."
        return Failure(text, permanent=True, effect_possible=False)
    if rc != 0:
        text = f"{asked.play} ended with code {rc} although no task failed; try the step again."
        return Failure(text, permanent=False, effect_possible=True)
    return _outputs(tally, outputs_size, asked)


def _failed(tally: Tally, asked: Asked) -> str:
    host, trouble, more = _worst(tally.stats["failures"] if tally.stats else {}, tally.failed)
    return _sentence(
        f'Task "{_said(trouble.task)}" of {asked.play} failed on {host}{more}: ',
        _said(trouble.reason),
        ". Mend the play or the host, then retry the step.",
    )


def _unreachable(tally: Tally, asked: Asked) -> str:
    host, trouble, more = _worst(tally.stats["dark"] if tally.stats else {}, tally.unreachable)
    address = asked.hosts.get(host, host)
    remedy = f". Check that {address} runs and lets the scope's SSH key in, then retry the step."
    # ssh has one exit code for everything; only its words tell a swapped key. They choose the advice, nothing else.
    if "Host key verification failed" in trouble.reason:
        remedy = (
            f". Another host key than before in this run: find out who answers at {address};"
            f" if the server was rebuilt, remove its line from {asked.known_hosts}."
        )
    return _sentence(f"Ansible could not reach {host} ({address}){more}: ", _said(trouble.reason), remedy)


def _unfinished(tally: Tally, rc: int | None, asked: Asked) -> Failure:
    begun = bool(tally.task)
    if rc == 0 and tally.left_out:
        return _too_much(asked.play, tally.left_out)
    where = f' during task "{_said(tally.task)}"' if begun else " before its first task"
    words = _said(" ".join(tally.said)) or "it said nothing"
    ended_by_itself = rc is not None and 0 < rc < 128
    remedy = ". Mend it, then retry the step." if ended_by_itself else ". Try the step again."
    text = _sentence(f"{asked.play} ended{where} (code {rc}): ", words, remedy)
    return Failure(text, permanent=ended_by_itself, effect_possible=begun)


def _outputs(tally: Tally, size: int, asked: Asked) -> Failure | None:
    if tally.mask.finds_in(tally.outputs):
        text = f"{asked.play} hands out a secret by set_stats; take it out of the play's `data`."
    elif size > OUTPUTS_LIMIT:
        return _too_much(asked.play, size)
    else:
        return None
    return Failure(text, permanent=True, effect_possible=True)


def _too_much(play: str, size: int) -> Failure:
    text = f"{play} hands out {size} bytes by set_stats, {OUTPUTS_LIMIT} are allowed; hand out less."
    return Failure(text, permanent=True, effect_possible=True)


def _worst(counted: dict[str, int], troubles: dict[str, Trouble]) -> tuple[str, Trouble, str]:
    """The first host in trouble by name, its trouble, and how many more there are."""
    host = min(counted)
    more = f" (and on {len(counted) - 1} more)" if len(counted) > 1 else ""
    return flat(host), troubles.get(host, Trouble("?", "it gave no reason")), more


def _said(text: str) -> str:
    return flat(text).rstrip(". ")


def _sentence(head: str, words: str, remedy: str) -> str:
    room = MESSAGE_LIMIT - len(head) - len(remedy)
    return head[:MESSAGE_LIMIT] + (words if len(words) <= room else words[: max(room - 1, 0)].rstrip() + "…") + remedy
