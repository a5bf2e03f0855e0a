"""Signing in through the organisation's identity provider, on the quiet days. It proves no second factor here."""

from collections.abc import Callable
from typing import Protocol

from orchestrator.operations.people.security_key import Crowded
from orchestrator.operations.people.sign_in import Opened, SignIn, Unproved
from orchestrator.operations.request import NotFound
from orchestrator.store import sessions
from orchestrator.store.database import Database
from providers.base import ProviderError

WITHIN = 600.0
"""Seconds that somebody has at the provider."""


class Begun(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def nonce(self) -> str: ...
    @property
    def verifier(self) -> str: ...


class Provider(Protocol):
    def begin(self, back: str) -> Begun: ...
    def finish(self, back: str, code: str, nonce: str, verifier: str) -> str: ...


class SignInThroughProvider:
    """`provider`: None where the organisation has named none."""

    def __init__(
        self, database: Database, clock: Callable[[], float], sign_in: SignIn, provider: Provider | None
    ) -> None:
        self._database = database
        self._clock = clock
        self._sign_in = sign_in
        self._provider = provider

    @property
    def is_there(self) -> bool:
        return self._provider is not None

    def begin(self, back: str) -> tuple[str, str]:
        """Where the browser goes, and the state that it must come back with. Raises RequestError."""
        try:
            begun = self._named().begin(back)
        except ProviderError as error:
            raise Unproved(str(error)) from error
        with self._database.write() as conn:
            kept = f"{begun.nonce} {begun.verifier}"
            now = self._clock()
            if not sessions.challenge(conn, begun.state, "", "oidc", kept, now + WITHIN, now):
                raise Crowded
        return begun.url, begun.state

    def finish(self, back: str, state: str, code: str, agent: str) -> Opened:
        """Raises Unproved."""
        provider = self._named()
        with self._database.write() as conn:
            row = sessions.use_challenge(conn, state, self._clock())
        if row is None or row.purpose != "oidc":
            raise Unproved("This sign-in took too long, or was begun elsewhere: begin again.")
        nonce, _, verifier = row.value.partition(" ")
        try:
            subject = provider.finish(back, code, nonce, verifier)
        except ProviderError as error:
            raise Unproved(str(error)) from error
        return self._sign_in.with_subject(subject, agent)

    def _named(self) -> Provider:
        if self._provider is None:
            raise NotFound("No identity provider is named here: sign in by password.")
        return self._provider
