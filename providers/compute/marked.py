"""A thing at a cloud that carries Bascule's tags."""

from dataclasses import dataclass

SERVER = "server"


@dataclass(frozen=True, slots=True)
class Made:
    """One thing that carries Bascule's tags. `kind`: server, volume, snapshot, address or firewall.

    `run` and `step` are what its tags say, empty when a tag is missing.
    `holders`: the servers that a part is attached to.
    """

    provider: str
    kind: str
    id: str
    name: str
    run: str
    step: str
    state: str = ""
    holders: tuple[str, ...] = ()
