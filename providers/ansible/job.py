"""What the service asks the supervisor to run: one file in the attempt's volatile directory."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from providers.ansible.records import read_record, write_record


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt at one play.

    `attempt`: its directory in the workspace. `private`: its directory in memory.
    `estate`, `play`: where the estate is, and the play within it.
    `fence`: the descriptor that the processes of the attempt keep open.
    `user`, `port`: how its hosts are logged in to. `networks`: what the scope reaches; None where it lists nothing.
    `prefix`: what to put before the command so that it is contained, or at least ends as a whole; may be empty.
    `contained`: whether it is contained; its connections then come through the broker.
    `secrets`: the values to mask.
    """

    attempt: str
    private: str
    estate: str
    play: str
    hosts: dict[str, str]
    user: str
    port: int
    networks: list[str] | None
    known_hosts: str
    fence: int
    prefix: list[str]
    contained: bool
    ansible_playbook: str
    secrets: list[str]
    play_digest: str
    want_digest: str

    @property
    def inventory(self) -> Path:
        return Path(self.private, "inventory", "hosts.json")

    @property
    def variables(self) -> Path:
        return Path(self.private, "vars.json")

    @property
    def name(self) -> str:
        """The attempt's number, as it is written."""
        return Path(self.attempt).name

    def write(self) -> Path:
        path = Path(self.private, "job.json")
        write_record(path, asdict(self))
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        data: dict[str, Any] | None = read_record(path)
        if data is None:
            raise FileNotFoundError(path)
        return cls(**data)
