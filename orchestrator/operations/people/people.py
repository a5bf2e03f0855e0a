"""All that concerns people, wired together."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.operations.estate import Estates
from orchestrator.operations.people.approvals import Approvals
from orchestrator.operations.people.break_glass import BreakGlass
from orchestrator.operations.people.enrolment import Enrolment
from orchestrator.operations.people.identity_provider import Provider, SignInThroughProvider
from orchestrator.operations.people.register import Register
from orchestrator.operations.people.restored import Restored
from orchestrator.operations.people.sealing import PeopleSealing
from orchestrator.operations.people.security_key import SecurityKeys
from orchestrator.operations.people.sign_in import SignIn
from orchestrator.operations.people.tokens import Tokens
from orchestrator.operations.request import RequestError
from orchestrator.store import notices
from orchestrator.store.database import Connection, Database
from orchestrator.store.sealing import Keyring

log = logging.getLogger("bascule.people")


@dataclass(frozen=True, slots=True)
class People:
    register: Register
    keys: SecurityKeys
    sign_in: SignIn
    enrolment: Enrolment
    tokens: Tokens
    break_glass: BreakGlass
    approvals: Approvals
    restored: Restored
    through_provider: SignInThroughProvider

    @classmethod
    def of(
        cls,
        database: Database,
        clock: Callable[[], float],
        keyring: Keyring,
        host: str,
        estates: Estates,
        provider: Provider | None = None,
    ) -> "People":
        """`host`: the name by which people reach the service; security keys are bound to it."""
        sealing, keys = PeopleSealing(keyring), SecurityKeys(database, clock, host)
        register = Register(database, clock)
        sign_in = SignIn(database, clock, sealing, keys)
        return cls(
            register=register,
            keys=keys,
            sign_in=sign_in,
            enrolment=Enrolment(database, clock, sealing, keys, register, sign_in),
            tokens=Tokens(database, clock),
            break_glass=BreakGlass(database, clock, sign_in, _Alarm(estates, clock)),
            approvals=Approvals(keys),
            restored=Restored(database, clock),
            through_provider=SignInThroughProvider(database, clock, sign_in, provider),
        )


@dataclass(frozen=True, slots=True)
class _Alarm:
    """Tells everybody whom the policy warns that the glass was broken."""

    estates: Estates
    clock: Callable[[], float]

    def __call__(self, conn: Connection, bundle: str, numbers: Sequence[int], reason: str) -> None:
        log.warning("the glass was broken: codes %s of bundle %s; reason: %r", list(numbers), bundle, reason)
        try:
            commit = self.estates.newest()
            warned = self.estates.bundle(commit).estate.policy.warnings
        except RequestError:
            return
        if warned is None:
            return
        codes = ", ".join(str(one) for one in numbers)
        title = {
            "fr": "Bris de glace : des codes scellés ont été ouverts",
            "en": "Break-glass: sealed codes were opened",
        }
        body = {
            "fr": f"Codes n° {codes} du lot {bundle}. Motif donné : {reason}\nSi cela vous surprend : bascule halt.",
            "en": f"Codes no. {codes} of bundle {bundle}. Reason given: {reason}\nIf this surprises you: bascule halt.",
        }
        key = f"break-glass:{bundle}"
        notices.add(conn, key, commit, warned.scope, warned.notify, title, body, self.clock())
