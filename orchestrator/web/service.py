"""What the web needs of the service it stands in front of."""

from typing import Protocol

from orchestrator.engine.progress import Progress
from orchestrator.operations.audit_verification import AuditVerification
from orchestrator.operations.clocks import Clocks
from orchestrator.operations.decisions import Decisions
from orchestrator.operations.doctor import Doctor
from orchestrator.operations.estate import Estates
from orchestrator.operations.estate_reading import EstateReading
from orchestrator.operations.examinations import Examinations
from orchestrator.operations.halt import Halt
from orchestrator.operations.independence import Independence
from orchestrator.operations.inventories import Inventories
from orchestrator.operations.itself import Itself
from orchestrator.operations.maps import Maps
from orchestrator.operations.outlooks import Outlooks
from orchestrator.operations.own_certificate import OwnCertificate
from orchestrator.operations.people.people import People
from orchestrator.operations.plans import Plans
from orchestrator.operations.preparedness import Preparedness
from orchestrator.operations.proposals import Proposals
from orchestrator.operations.readiness import Readiness
from orchestrator.operations.request import Paths
from orchestrator.operations.resources import Resources
from orchestrator.operations.runs import Runs
from orchestrator.operations.secrets import Secrets
from orchestrator.operations.signals import Signals
from orchestrator.operations.standing_approvals import StandingApprovals
from orchestrator.operations.verdicts import Verdicts
from orchestrator.store.database import Database


class Place(Protocol):
    @property
    def host(self) -> str: ...


class Service(Protocol):
    """The wired service, as the composition root makes it."""

    paths: Paths
    token: str
    database: Database
    progress: Progress
    plans: Plans
    runs: Runs
    decisions: Decisions
    halt: Halt
    people: People
    clocks: Clocks
    preparedness: Preparedness
    estates: Estates
    estate_reading: EstateReading
    audit: AuditVerification
    resources: Resources
    secrets: Secrets
    doctor: Doctor
    independence: Independence
    examinations: Examinations
    itself: Itself
    inventories: Inventories
    maps: Maps
    signals: Signals
    verdicts: Verdicts
    outlooks: Outlooks
    proposals: Proposals
    standing: StandingApprovals
    own_certificate: OwnCertificate
    readiness: Readiness

    @property
    def settings(self) -> Place: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def hasten_sync(self) -> None: ...

    def announce_address(self, url: str) -> None: ...
