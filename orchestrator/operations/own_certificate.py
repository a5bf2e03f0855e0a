"""The watch over the service's own TLS certificate: in the log, and on the channels that policy names for warnings."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from orchestrator.domain.own_certificate import DAY, TITLE, Certificate, EndWarning, due_warning, words_of
from orchestrator.operations.estate import Estates
from orchestrator.operations.request import RequestError
from orchestrator.store import notices
from orchestrator.store.database import Database
from providers.rights import Examination, Right, State, Subject

log = logging.getLogger("bascule.certificate")

LOOK_EVERY = 60.0
"""Seconds between two looks at the file."""
STOPS_WITHIN = 10.0


class OwnCertificate:
    """`file` None: the service has none. `start` begins to watch, `stop` ends it."""

    def __init__(self, file: Path | None, database: Database, estates: Estates, clock: Callable[[], float]) -> None:
        self.file = file
        self._database = database
        self._estates = estates
        self._clock = clock
        self._logged: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_looking, name="own-certificate", daemon=True)

    def start(self) -> None:
        if self.file is not None:
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=STOPS_WITHIN)

    def ends(self) -> float | None:
        """Seconds since the epoch, UTC; None without a certificate, or where its file can't be read."""
        try:
            found = self._read()
        except (OSError, ValueError):
            return None
        return found.ends if found is not None else None

    def consider(self) -> EndWarning | None:
        """Look once, and warn of what nobody was warned of yet."""
        try:
            certificate = self._read()
        except (OSError, ValueError) as error:
            self._say_once(f"unreadable {error}", f"the certificate {self.file} can't be read: {error}")
            return None
        due = None if certificate is None else due_warning(certificate, self._clock())
        if due is not None:
            self._say_once(due.key, f"the TLS certificate {self.file}: {due.words['en']}")
            self._tell(due)
        return due

    def examine(self) -> Examination | None:
        """For `bascule doctor`; None where the service has none."""
        if self.file is None:
            return None
        subject, now = Subject("tls", "own certificate"), self._clock()
        try:
            certificate = self._read()
        except (OSError, ValueError) as error:
            return subject.failed(str(self.file), f"{self.file} can't be read as a certificate ({error}).")
        assert certificate is not None
        state = State.MISSING if certificate.ends <= now else State.HELD
        advice = words_of(certificate, now)["en"] if due_warning(certificate, now) is not None else ""
        days = max(0, int((certificate.ends - now) // DAY))
        return subject.found(str(self.file), [Right(f"valid for {days} more days", state, advice)])

    def _read(self) -> Certificate | None:
        """Raises OSError, ValueError."""
        if self.file is None:
            return None
        found = x509.load_pem_x509_certificates(self.file.read_bytes())[0]
        return Certificate(
            mark=found.fingerprint(hashes.SHA256()).hex()[:32],
            name=found.subject.rfc4514_string(),
            begins=found.not_valid_before_utc.timestamp(),
            ends=found.not_valid_after_utc.timestamp(),
        )

    def _say_once(self, key: str, said: str) -> None:
        if key not in self._logged:
            self._logged.add(key)
            log.warning("%s", said)

    def _tell(self, due: EndWarning) -> None:
        """Each channel once; the database knows which were told."""
        try:
            commit = self._estates.newest()
            policy = self._estates.bundle(commit).estate.policy.warnings
        except RequestError:
            return
        if policy is None:
            return
        with self._database.read() as conn:
            known = {row.key for row in notices.listed(conn, "certificate:")}
        if any(key.startswith(f"certificate:{due.key}:") for key in known):
            return
        with self._database.write() as conn:
            notices.add(
                conn, f"certificate:{due.key}", commit, policy.scope, policy.notify, TITLE, due.words, self._clock()
            )

    def _keep_looking(self) -> None:
        while not self._stopping.is_set():
            try:
                self.consider()
            except Exception:
                log.exception("the own certificate could not be looked at once; the next look comes by itself")
            self._stopping.wait(LOOK_EVERY)
