"""Seals what an authenticator app was told, so that the database alone makes no codes."""

from orchestrator.operations.request import RequestError
from orchestrator.store.sealing import KeyFault, Keyring, NotSealedForThis, Sealed, UnknownKey

SCOPE = ".people"
"""No scope of an estate is called so."""


class PeopleSealing:
    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def seal(self, label: str, text: str) -> str:
        """Raises RequestError where there is no key."""
        try:
            self._keyring.refresh()  # a key that another worker has put first seals here, too
            sealed = self._keyring.seal(SCOPE, label, text)
        except KeyFault as error:
            raise RequestError(str(error)) from error
        return f"{sealed.key} {sealed.token}"

    def open(self, label: str, sealed: str) -> str:
        """Raises RequestError where the key that sealed it is not here."""
        key, _, token = sealed.partition(" ")
        try:
            return self._open(label, Sealed(token, key, ""))
        except (UnknownKey, NotSealedForThis, KeyFault) as error:
            raise RequestError(
                "One-time codes can't be checked: the key of the secrets that sealed them is not here. Put it back "
                "from its copy, or sign in with a security key."
            ) from error

    def is_old(self, sealed: str) -> bool:
        """Whether another key than the one that seals now has sealed it."""
        return not sealed.startswith(f"{self._keyring.ids[0]} ")

    def resealed(self, label: str, sealed: str) -> str | None:
        """The same by the first key; None when that sealed it already. Raises RequestError."""
        if not self.is_old(sealed):
            return None
        return self.seal(label, self.open(label, sealed))

    def _open(self, label: str, sealed: Sealed) -> str:
        try:
            return self._keyring.open(SCOPE, label, sealed)
        except UnknownKey:
            self._keyring.refresh()
            return self._keyring.open(SCOPE, label, sealed)
