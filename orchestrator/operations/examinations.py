"""What people had looked at from a page: a scope's credentials, whom Bascule relies on, what it made at clouds.

It asks vendors and takes up to a minute, so that no page waits for it: it goes on in a thread of its own, one at a time
of each kind and scope. What came of it is a file, as inventories are, and is there after a restart.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from orchestrator.operations.request import Conflict, RequestError
from orchestrator.store.inventory_files import load_inventories, save_inventory

log = logging.getLogger("bascule.examinations")

AT_ONCE = 4
"""Of all kinds and scopes together."""


class Kind(StrEnum):
    CREDENTIALS = "credentials"
    ITSELF = "itself"
    RESOURCES = "resources"


@dataclass(frozen=True, slots=True)
class Examined:
    """The last time that something was looked at. `at` 0.0: never. `found`: the plain form of what came of it.

    `begun`: since when it is looked at once more, None when it is not. `why`: what stood in the way of the last look
    from a page; it stays until a look comes to its end. Times are UTC seconds.
    """

    at: float = 0.0
    by: str = ""
    found: Mapping[str, Any] = field(default_factory=dict)
    begun: float | None = None
    why: str = ""


class Examinations:
    """`root`: the folder that they are kept in."""

    def __init__(self, root: Path, clock: Callable[[], float]) -> None:
        self._root = root
        self._clock = clock
        self._lock = threading.Lock()
        self._begun: dict[tuple[Kind, str], float] = {}
        self._why: dict[tuple[Kind, str], str] = {}

    def begin(self, kind: Kind, scope: str, by: str, look: Callable[[str], Mapping[str, Any]]) -> None:
        """Look from now on; `last` says when it has ended. Raises Conflict while one of these is under way.

        `look` is given the scope, and raises RequestError where it can't be done.
        """
        with self._lock:
            if (kind, scope) in self._begun:
                raise Conflict(f"Scope {scope} is looked at already: what is found is shown here when it ends.")
            if len(self._begun) >= AT_ONCE:
                raise Conflict(f"{AT_ONCE} scopes are looked at already: begin when one of these looks has ended.")
            self._begun[kind, scope] = self._clock()
        thread = threading.Thread(
            target=self._look, args=(kind, scope, by, look), name=f"examination-{kind}", daemon=True
        )
        thread.start()

    def keep(self, kind: Kind, scope: str, by: str, found: Mapping[str, Any]) -> None:
        """What was found by a look that somebody waited for. That it can't be kept is logged: it was told already."""
        try:
            save_inventory(
                self._root, scope, kind.value, self._clock(), {"at": self._clock(), "by": by, "found": found}
            )
            self._why.pop((kind, scope), None)
        except OSError as error:
            log.warning("what was found of scope %s can't be kept in %s (%s)", scope, self._root, error.strerror)

    def last(self, kind: Kind, scope: str) -> Examined:
        """What came of the newest look, and whether another one is under way."""
        begun, why = self._begun.get((kind, scope)), self._why.get((kind, scope), "")
        for kept in load_inventories(self._root, scope, kind.value):
            try:
                return Examined(float(kept["at"]), str(kept["by"]), dict(kept["found"]), begun, why)
            except (KeyError, TypeError, ValueError):
                log.warning("an examination of scope %s can't be read and is passed over", scope)
        return Examined(begun=begun, why=why)

    def _look(self, kind: Kind, scope: str, by: str, look: Callable[[str], Mapping[str, Any]]) -> None:
        try:
            self.keep(kind, scope, by, look(scope))
        except RequestError as error:
            self._why[kind, scope] = str(error)
        except Exception as error:
            log.exception("scope %s could not be looked at", scope)
            self._why[kind, scope] = f"It could not be looked at ({type(error).__name__}): the service's log says why."
        finally:
            with self._lock:
                del self._begun[kind, scope]
