"""Running the service itself."""

import logging
from typing import Annotated

import typer

from orchestrator.cli.session import session_of
from orchestrator.loading import loading


def serve(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(envvar="BASCULE_HOST", help="The address to listen on; loopback only, in this version.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="BASCULE_PORT", min=0, max=65535, help="The port to listen on.")] = 8700,
    worker: Annotated[
        bool, typer.Option("--worker", help="Work on runs only, without API and page: for more workers on PostgreSQL.")
    ] = False,
) -> None:
    """Run the service: it keeps the estate in step, works on runs, and serves the API and the page.

    One service per data directory (or any number of workers on one PostgreSQL). The page's address is printed.
    """
    with loading():
        from orchestrator.cli.serving import serve_api, work_on_runs

    session = session_of(context)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if worker:
        work_on_runs(session)
    else:
        serve_api(session, host, port)
