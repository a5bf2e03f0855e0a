"""The service in this process, with its API or as a worker alone. Imported late, for the reason `inside` gives."""

import os
import signal
import threading
from dataclasses import replace

from orchestrator.app import Bascule, Settings
from orchestrator.cli.inside import settings_of
from orchestrator.cli.session import Session
from orchestrator.store.sealing import KEY_VARIABLE
from orchestrator.web.edge.listening import Listening
from orchestrator.web.server import serve


def serve_api(session: Session, listening: Listening) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises AlreadyRunning, and RequestError before anything is touched."""
    listening.require_encryption()
    certificate = listening.tls.certificate.expanduser().absolute() if listening.tls is not None else None
    settings = _settings(session, listening.host, listening.port)
    bascule = Bascule(
        replace(settings, tls_cert=certificate, public_host=listening.public.host if listening.public else "")
    )
    if not bascule.settings.estate_url and not bascule.mirror.exists:
        session.note("No estate is named, so nothing can be planned: start with --estate URL, or set BASCULE_ESTATE.")
    bascule.say_containment()
    serve(bascule, listening)


def _settings(session: Session, host: str = "127.0.0.1", port: int = 8700) -> Settings:
    """What the environment said of keys is known now: programs that are started from here inherit none."""
    settings = settings_of(session, host, port)
    os.environ.pop(KEY_VARIABLE, None)
    return settings


def work_on_runs(session: Session) -> None:
    """Work until SIGTERM or Ctrl-C, without serving anything. Raises AlreadyRunning."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    bascule = Bascule(_settings(session))
    bascule.say_containment()
    bascule.start()
    session.note("This worker works on runs. Ctrl-C stops it; what is under way is taken up again later.")
    try:
        stop.wait()
    finally:
        bascule.stop()
