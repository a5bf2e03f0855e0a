"""The service in this process, with its API or as a worker alone. Imported late, for the reason `inside` gives."""

import signal
import threading
from dataclasses import replace

from orchestrator.app import Bascule
from orchestrator.cli.inside import settings_of
from orchestrator.cli.session import Session
from orchestrator.web.listening import Listening
from orchestrator.web.server import serve


def serve_api(session: Session, listening: Listening) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises AlreadyRunning, and RequestError before anything is touched."""
    listening.require_encryption()
    certificate = listening.tls.certificate.expanduser().absolute() if listening.tls is not None else None
    settings = settings_of(session, listening.host, listening.port)
    bascule = Bascule(
        replace(settings, tls_cert=certificate, public_host=listening.public.host if listening.public else "")
    )
    if not bascule.settings.estate_url and not bascule.mirror.exists:
        session.note("No estate is named, so nothing can be planned: start with --estate URL, or set BASCULE_ESTATE.")
    bascule.say_containment()
    serve(bascule, listening)


def work_on_runs(session: Session) -> None:
    """Work until SIGTERM or Ctrl-C, without serving anything. Raises AlreadyRunning."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    bascule = Bascule(settings_of(session))
    bascule.say_containment()
    bascule.start()
    session.note("This worker works on runs. Ctrl-C stops it; what is under way is taken up again later.")
    try:
        stop.wait()
    finally:
        bascule.stop()
