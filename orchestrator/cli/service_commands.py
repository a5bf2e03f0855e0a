"""Running the service itself."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.session import session_of
from orchestrator.loading import loading
from providers.core_files import forbid_core_files
from providers.redaction import install_in_logs

_ENCRYPTION = "Encryption"
_PROXY = "Behind a proxy"


def serve(
    context: typer.Context,
    host: Annotated[
        str,
        typer.Option(envvar="BASCULE_HOST", help="The address to listen on. Other than loopback, it needs encryption."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="BASCULE_PORT", min=0, max=65535, help="The port to listen on.")] = 8700,
    worker: Annotated[
        bool, typer.Option("--worker", help="Work on runs only, without API and page: for more workers on PostgreSQL.")
    ] = False,
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            envvar="BASCULE_TLS_CERT",
            metavar="FILE",
            rich_help_panel=_ENCRYPTION,
            help="The service's own certificate with its chain, in PEM form. Read again when it is replaced.",
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(
            envvar="BASCULE_TLS_KEY",
            metavar="FILE",
            rich_help_panel=_ENCRYPTION,
            help="Its key; the certificate's file may hold it instead.",
        ),
    ] = None,
    insecure_http: Annotated[
        bool,
        typer.Option(
            "--insecure-http",
            rich_help_panel=_ENCRYPTION,
            help="Serve other machines without encryption: whoever listens in can then act as everybody.",
        ),
    ] = False,
    public_url: Annotated[
        str,
        typer.Option(
            envvar="BASCULE_PUBLIC_URL",
            metavar="URL",
            rich_help_panel=_PROXY,
            help="Its name from elsewhere, such as https://bascule.example; no other name is answered.",
        ),
    ] = "",
    proxy: Annotated[
        str,
        typer.Option(
            envvar="BASCULE_PROXY",
            metavar="ADDRESS[,…]",
            rich_help_panel=_PROXY,
            help="The TLS proxies in front: what they say of the client is believed, and nobody else's word.",
        ),
    ] = "",
) -> None:
    """Run the service: it keeps the estate in step, works on runs, and serves the API and the page.

    One service per data directory (or any number of workers on one PostgreSQL). The page's address is printed.
    """
    with loading():
        from orchestrator.cli.serving import serve_api, work_on_runs
        from orchestrator.web.edge.listening import Listening, PublicUrl, proxies_of, tls_files

    session = session_of(context)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    install_in_logs()
    forbid_core_files()
    if worker:
        work_on_runs(session)
        return
    listening = Listening(
        host=host,
        port=port,
        tls=tls_files(tls_cert, tls_key),
        public=PublicUrl.of(public_url) if public_url else None,
        proxies=proxies_of(proxy),
        insecure_http=insecure_http,
    )
    serve_api(session, listening)
