"""The composition root: which parts there are, and which part is given to which."""

import fcntl
import json
import logging
import os
import secrets
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.signals.board import Situation
from orchestrator.engine.progress import Clock
from orchestrator.engine.work import Boundary
from orchestrator.engine.worker import Worker
from orchestrator.engine.workshop import EstateWorkshop
from orchestrator.estate_git import EstateGitError, EstateMirror
from orchestrator.estate_signers import Signers
from orchestrator.operations.audit_verification import AuditVerification
from orchestrator.operations.checkpoints import Checkpoints
from orchestrator.operations.clocks import Clocks
from orchestrator.operations.decisions import Decisions
from orchestrator.operations.detection import Detection
from orchestrator.operations.doctor import Doctor
from orchestrator.operations.estate import Estates
from orchestrator.operations.estate_reading import EstateReading
from orchestrator.operations.examinations import Examinations
from orchestrator.operations.gate import Gate
from orchestrator.operations.halt import Halt
from orchestrator.operations.independence import Independence
from orchestrator.operations.inventories import Inventories
from orchestrator.operations.itself import Itself
from orchestrator.operations.maps import Maps
from orchestrator.operations.notices import Notices
from orchestrator.operations.outlooks import Outlooks
from orchestrator.operations.own_certificate import OwnCertificate
from orchestrator.operations.people.identity_provider import Provider
from orchestrator.operations.people.people import People
from orchestrator.operations.plans import Plans
from orchestrator.operations.preparedness import Preparedness
from orchestrator.operations.probing import Probing
from orchestrator.operations.proposals import Proposals
from orchestrator.operations.readiness import Readiness
from orchestrator.operations.request import Paths, RequestError, hook_secret
from orchestrator.operations.resources import Resources
from orchestrator.operations.runs import Runs
from orchestrator.operations.secrets import Secrets
from orchestrator.operations.signals import Signals
from orchestrator.operations.standing_approvals import StandingApprovals
from orchestrator.operations.trust import Trust
from orchestrator.operations.verdicts import Verdicts
from orchestrator.operations.warnings import Warnings
from orchestrator.store.database import Database
from orchestrator.store.sealing import KeyFault, Keyring, KeySource, key_source
from orchestrator.store.secret_store import Backend, SecretStore
from providers.ansible.containment import containment

log = logging.getLogger("bascule")

SYNC_EVERY = 60.0
"""Seconds between two fetches of the estate."""
SWEEP_EVERY = 3600.0
"""Seconds between two looks for things that Bascule made and no run stands behind."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where this installation keeps its data, and where its estate comes from.

    `database_url` empty means the embedded SQLite file in the data directory. `witness_dir`: a directory, on other
    media or another machine, that is given the audit's checkpoints. `signers`: the file of those who may sign the
    estate's commits; None means `signers` in the data directory, and unsigned commits while there is no such file.
    `tls_cert`: the service's own certificate, which it watches. `public_host`: its name from elsewhere.
    `secrets_key`: where the keys of the secrets come from; None means `secrets.key` in the data directory.
    `secrets_backend`: what keeps secrets besides.
    `identity`: where people may sign in besides.
    """

    data: Path
    estate_url: str
    estate_branch: str = "main"
    signers: Path | None = None
    database_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8700
    sync_every: float = SYNC_EVERY
    witness_dir: Path | None = None
    tls_cert: Path | None = None
    public_host: str = ""
    secrets_key: KeySource | None = None
    secrets_backend: Backend | None = None
    identity: Provider | None = None

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.database_file}"

    @property
    def database_file(self) -> Path:
        """The embedded one."""
        return self.data / "bascule.db"


class AlreadyRunning(RequestError):
    """Another process owns this data directory."""

    code = "conflict"


class Bascule:
    """Everything, wired. `start` begins to work, `stop` ends it; between them the use cases can be called."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock = time.time,
        boundary: Boundary | None = None,
    ) -> None:
        self.settings = settings
        self.paths = Paths(settings.data)
        self.paths.make()
        keyring = _keyring(settings)
        self._lock = _own(self.paths.lock) if settings.database.startswith("sqlite") else None
        self.database = Database(settings.database)
        self.database.migrate()
        self.mirror = EstateMirror(self.paths.mirror, self.paths.checkouts)
        signers = Signers(settings.signers or self.paths.signers, named=settings.signers is not None)
        trust = Trust(self.mirror, signers, clock, settings.estate_url)
        self.estates = Estates(self.database, self.mirror, trust, clock, settings.estate_url, settings.estate_branch)
        self.estate_reading = EstateReading(self.database, self.mirror, self.estates, clock)
        self.audit = AuditVerification(self.database, self.paths.audit, clock)
        self.secret_store = self._secret_store(keyring, clock)
        self.secrets = Secrets(self.secret_store, self.estates, clock)
        secrets = self.secret_store.of
        self.workshop = EstateWorkshop(self.estates.scope, self.estates.checkout, secrets, self.paths.workspaces, clock)
        self.inventories = Inventories(self.estates, secrets, self.paths, clock)
        self.maps = Maps(self.database, self.estates, secrets, self.paths, clock)
        self.worker = Worker(self.database, self.workshop, clock, boundary=boundary)
        self.progress = self.worker.progress
        self.verdicts = Verdicts(self.database, self.estates, clock)
        onsets = self.verdicts.onsets
        gate = Gate(self.database, self.estates, self.workshop, clock, self.maps.owner_of)
        self.plans = Plans(self.database, self.estates, self.workshop, clock, gate, onsets)
        self.clocks = Clocks(self.estates, clock, onsets)
        self.preparedness = Preparedness(self.database, self.estates, self.verdicts, clock)
        self.people = People.of(
            self.database,
            clock,
            keyring,
            settings.public_host or settings.host,
            self.estates,
            settings.identity,
        )
        self.runs = Runs(self.progress, self.plans, self.uncontained, self.people.approvals, self.secrets.missing)
        self.decisions = Decisions(self.progress, self.people.approvals)
        self.halt = Halt(self.progress)
        self.resources = Resources(self.database, self.estates, self.workshop, clock)
        self.own_certificate = OwnCertificate(settings.tls_cert, self.database, self.estates, clock)
        self.doctor = Doctor(self.estates, self.workshop, self.secret_store, clock, self.own_certificate)
        self.independence = Independence(
            self.estates, self.workshop, clock, settings.database, owner_of=self.maps.owner_of
        )
        self.examinations = Examinations(self.paths.examinations, clock)
        self.signals = Signals(self.database, self.estates, secrets, clock)
        approvals = self.people.approvals
        self.standing = StandingApprovals(self.database, self.estates, clock, approvals)
        self.proposals = Proposals(
            self.database, self.estates, self.plans, self.runs, clock, self.halt, approvals, self.standing
        )
        self.notices = Notices(self.database, self.estates, self.workshop, clock)
        self.checkpoints = Checkpoints(
            self.database, self.estates, self.workshop, clock, self.paths.audit, settings.witness_dir
        )
        self.warnings = Warnings(self.database, self.estates)
        self.detection = Detection(self.database, self.estates, clock, self.worker.lease.worker_id, self._after_a_look)
        self.outlooks = Outlooks(self.database, self.estates, self.detection.sighting)
        self.readiness = Readiness(self.database, self.worker.quiet_for)
        worker_id = self.worker.lease.worker_id
        self.itself = Itself(
            self.database, keyring, self.own_certificate, self.readiness, worker_id, self.uncontained, clock
        )
        self.probing = Probing(self.database, self.estates, self.workshop, clock)
        self.token = _token(self.paths.token)
        _keep(self.paths.hook, hook_secret(self.token))
        self._stopping = threading.Event()
        self._hasten = threading.Event()
        self._sync = threading.Thread(target=self._keep_in_sync, name="estate-sync", daemon=True)
        self._sweep = threading.Thread(target=self._look_for_strays, name="sweep", daemon=True)

    def start(self) -> None:
        self._sync_once("start")
        self.worker.start()
        self.halt.enforce()
        self.signals.start()
        self.proposals.start()
        self.detection.start()
        self.notices.start()
        self.own_certificate.start()
        self.checkpoints.start()
        self.probing.start()
        self._sync.start()
        self._sweep.start()

    def stop(self) -> None:
        self._stopping.set()
        self._hasten.set()
        self.readiness.stop()
        self.own_certificate.stop()
        self.worker.stop()
        self.probing.stop()
        self.signals.stop()
        self.detection.stop()
        self.proposals.stop()
        self.notices.stop()
        self.audit.stop()
        self.checkpoints.stop()
        self.database.close()
        self._withdraw_address()
        if self._lock is not None:
            os.close(self._lock)

    def _secret_store(self, keyring: Keyring, clock: Clock) -> SecretStore:
        backend = self.settings.secrets_backend
        store = SecretStore(self.database, keyring, self.paths.secrets, self.estates.mode, clock, backend)
        store.prepare()
        return store

    def _after_a_look(self, situation: Situation) -> None:
        self.proposals.consider(situation)
        self.warnings.consider(situation.board.onsets, situation.now)

    @staticmethod
    def uncontained() -> str:
        """Why plays can't be contained on this machine, and what to do; empty when they can. Tried out, then known."""
        found = containment()
        return "" if found.holds else str(found)

    def say_containment(self) -> None:
        """Into the log, where whoever starts the service sees it."""
        missing = self.uncontained()
        if missing:
            log.warning("%s. Rehearsals and drills run on, live runs are refused", missing)
        else:
            log.info("plays are contained: each runs in a sandbox of its own")

    def hasten_sync(self) -> None:
        """A push webhook's whole power: fetch a little sooner."""
        self._hasten.set()

    def announce_address(self, url: str) -> None:
        """Tell the command line on this machine how the service is reached."""
        self.paths.service.write_text(json.dumps({"url": url, "pid": os.getpid()}), encoding="utf-8")

    def _withdraw_address(self) -> None:
        """A stopped service is not reached any more; another process's address is left alone."""
        try:
            said = json.loads(self.paths.service.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        if said.get("pid") == os.getpid():
            self.paths.service.unlink(missing_ok=True)

    def _keep_in_sync(self) -> None:
        while not self._stopping.is_set():
            self._hasten.wait(self.settings.sync_every)
            hastened = self._hasten.is_set()
            self._hasten.clear()
            if not self._stopping.is_set():
                try:
                    self._sync_once("webhook" if hastened else "timer")
                except Exception:
                    log.exception("the estate was not brought up to date; the next try comes by itself")

    def _look_for_strays(self) -> None:
        """Now and then, what Bascule made and no run stands behind is noted; only people release it."""
        while not self._stopping.wait(SWEEP_EVERY):
            try:
                self.resources.sweep()
            except RequestError as error:
                log.warning("what Bascule made could not be looked at: %s", error)
            except Exception:
                log.exception("the sweep failed once; the next comes by itself")

    def _sync_once(self, by: str) -> None:
        if not self.settings.estate_url:
            return
        try:
            if self.estates.sync(by)[1]:
                self.probing.hasten()
        except (EstateGitError, RequestError) as error:
            log.warning("the estate was not brought up to date, the mirror serves on: %s", error)


def _keyring(settings: Settings) -> Keyring:
    """Raises RequestError when the keys of the secrets can't be had."""
    try:
        return Keyring(settings.secrets_key or key_source(settings.data, {}))
    except KeyFault as error:
        raise RequestError(str(error)) from error


def _own(path: Path) -> int:
    """One process per data directory. Raises AlreadyRunning."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise AlreadyRunning(
            f"Another Bascule works on {path.parent}. Use it (`bascule status`), or stop it first."
        ) from error
    return handle


def _token(path: Path) -> str:
    """The token of this installation's API, made at first start, readable by its owner alone."""
    if not path.exists() or not path.read_text(encoding="utf-8").strip():
        _keep(path, "bsc_" + secrets.token_urlsafe(32))
    return path.read_text(encoding="utf-8").strip()


def _keep(path: Path, text: str) -> None:
    """Whole, and for its owner alone."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)
