"""The `bascule` command: its options, its commands, and the one place where errors end."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from orchestrator.cli import (
    agent_command,
    audit_commands,
    catalogue_command,
    clocks_command,
    decision_commands,
    doctor_command,
    estate_commands,
    halt_command,
    inventory_commands,
    login_command,
    map_commands,
    notify_command,
    people_commands,
    plan_commands,
    probe_command,
    proposal_commands,
    record_commands,
    resource_commands,
    run_commands,
    secrets_commands,
    service_commands,
    signals_commands,
    standing_commands,
    verdict_commands,
    webhook_commands,
)
from orchestrator.cli.completion import is_completing, silence
from orchestrator.cli.demo import command as demo_command
from orchestrator.cli.exits import CommandError, Exit
from orchestrator.cli.session import Session, session_of
from orchestrator.estate_git import EstateGitError
from orchestrator.operations.request import Denied, RequestError
from providers.redaction import install_in_logs

log = logging.getLogger("bascule.cli")

EPILOG = """
Exit codes: 0 done · 1 failed or invalid · 2 usage · 3 waits for a person · 4 refused by a gate.

Begin with `bascule demo` (everything, against a simulator on this machine), or `bascule validate PATH` and
`bascule serve --help` for an estate of your own.
"""

app = typer.Typer(
    name="bascule",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"bascule {version('bascule')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", envvar="BASCULE_DATA", file_okay=False, show_default="~/.local/share/bascule",
            help="The data directory: journal, estate mirror, secrets.",
        ),
    ] = None,
    estate: Annotated[
        str,
        typer.Option(metavar="URL", envvar="BASCULE_ESTATE", help="The estate's Git repository: https, ssh or a path."),
    ] = "",
    branch: Annotated[str, typer.Option(envvar="BASCULE_BRANCH", help="The estate's branch.")] = "main",
    signers: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", envvar="BASCULE_SIGNERS", dir_okay=False, show_default="signers in the data directory",
            help="Who may sign the estate's commits, in OpenSSH's format of allowed signers.",
        ),
    ] = None,
    database: Annotated[
        str,
        typer.Option(
            metavar="URL", envvar="BASCULE_DATABASE_URL", show_default="SQLite in the data directory",
            help="postgresql+psycopg://… for several workers; BASCULE_DATABASE_PASSWORD_FILE may hold the password.",
        ),
    ] = "",
    _show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:  # fmt: skip
    """Moves an organisation to European providers when its American clouds are cut off, and back."""
    session = session_of(context)
    session.data = data.expanduser().absolute() if data else session.data
    session.estate, session.branch, session.database_url = estate, branch, database
    session.signers = signers.expanduser().absolute() if signers else None


ESTATE, RUNS, PEOPLE, ACCESS, SERVICE = "Estate and plans", "Runs", "People's decisions", "Who may", "Service"

estate_app = typer.Typer(no_args_is_help=True, help="The estate's Git repository, as the service reads it.")
estate_app.command("sync")(estate_commands.sync)
estate_app.command("show")(estate_commands.show)
estate_app.command("accept")(estate_commands.accept)

resources_app = typer.Typer(invoke_without_command=True, callback=resource_commands.listed)
resources_app.command("keep")(resource_commands.keep)
resources_app.command("release")(resource_commands.release)

signals_app = typer.Typer(no_args_is_help=True, help="What is noticed of the vendors.")
signals_app.command("sources")(webhook_commands.sources)
signals_app.command("unmapped")(webhook_commands.unmapped)
signals_app.command("verdicts")(verdict_commands.verdicts)
signals_app.command("acknowledge")(verdict_commands.acknowledge)
signals_app.command("probe")(probe_command.probe)
signals_app.command("replay")(signals_commands.replay)

proposals_app = typer.Typer(invoke_without_command=True, callback=proposal_commands.listed)
proposals_app.command("show")(proposal_commands.show)
proposals_app.command("release")(proposal_commands.release)
proposals_app.command("reject")(proposal_commands.reject)

standing_app = typer.Typer(no_args_is_help=True, help="Approvals that people sign in advance.")
standing_app.command("list")(standing_commands.listed)
standing_app.command("ask")(standing_commands.ask)
standing_app.command("sign")(standing_commands.sign)
standing_app.command("revoke")(standing_commands.revoke)

secrets_app = typer.Typer(no_args_is_help=True, help="Credentials, sealed: stored, removed, their keys changed.")
secrets_app.command("list")(secrets_commands.listed)
secrets_app.command("set")(secrets_commands.set_)
secrets_app.command("remove")(secrets_commands.remove)
secrets_app.command("seal")(secrets_commands.seal)
secrets_app.command("rotate")(secrets_commands.rotate)

people_app = typer.Typer(invoke_without_command=True, callback=people_commands.listed)
people_app.command("add")(people_commands.add)
people_app.command("grant")(people_commands.grant)
people_app.command("confirm")(people_commands.confirm)
people_app.command("revoke")(people_commands.revoke)
people_app.command("disable")(people_commands.disable)
people_app.command("enable")(people_commands.enable)
people_app.command("invite")(people_commands.invite)
people_app.command("link")(people_commands.link)
people_app.command("recover")(people_commands.recover)
people_app.command("after-restore")(people_commands.after_restore)

tokens_app = typer.Typer(invoke_without_command=True, callback=people_commands.tokens)
tokens_app.command("make")(people_commands.make_token)
tokens_app.command("revoke")(people_commands.revoke_token)

glass_app = typer.Typer(invoke_without_command=True, callback=people_commands.glass)
glass_app.command("seal")(people_commands.seal)
glass_app.command("confirm")(people_commands.confirm_glass)
glass_app.command("open")(people_commands.open_glass)

audit_app = typer.Typer(no_args_is_help=True, help="The audit's hash chains and their checkpoints.")
audit_app.command("verify")(audit_commands.verify)
audit_app.command("export")(audit_commands.export)
audit_app.command("key")(audit_commands.key)
audit_app.command("forget")(audit_commands.forget)

app.command("validate", rich_help_panel=ESTATE)(estate_commands.validate)
app.command("schema", rich_help_panel=ESTATE)(estate_commands.schema)
app.add_typer(estate_app, name="estate", rich_help_panel=ESTATE)
app.command("doctor", rich_help_panel=ESTATE)(doctor_command.doctor)
app.command("plan", rich_help_panel=ESTATE)(plan_commands.plan)
app.command("catalogue", rich_help_panel=ESTATE)(catalogue_command.catalogue)
app.command("inventory", rich_help_panel=ESTATE)(inventory_commands.inventory)
app.command("map", rich_help_panel=ESTATE)(map_commands.map_)
app.command("clocks", rich_help_panel=ESTATE)(clocks_command.clocks)
app.add_typer(signals_app, name="signals", rich_help_panel=ESTATE)
app.command("rehearse", rich_help_panel=RUNS)(run_commands.rehearse)
app.command("run", rich_help_panel=RUNS)(run_commands.run)
app.command("watch", rich_help_panel=RUNS)(run_commands.watch)
app.command("status", rich_help_panel=RUNS)(record_commands.status)
app.command("history", rich_help_panel=RUNS)(record_commands.history)
app.command("logs", rich_help_panel=RUNS)(record_commands.logs)
app.command("approve", rich_help_panel=PEOPLE)(decision_commands.approve)
app.command("reject", rich_help_panel=PEOPLE)(decision_commands.reject)
app.command("release", rich_help_panel=PEOPLE)(decision_commands.release)
app.command("pause", rich_help_panel=PEOPLE)(decision_commands.pause)
app.command("resume", rich_help_panel=PEOPLE)(decision_commands.resume)
app.command("cancel", rich_help_panel=PEOPLE)(decision_commands.cancel)
app.command("retry", rich_help_panel=PEOPLE)(decision_commands.retry)
app.command("skip", rich_help_panel=PEOPLE)(decision_commands.skip)
app.command("undo", rich_help_panel=PEOPLE)(decision_commands.undo)
app.add_typer(proposals_app, name="proposals", rich_help_panel=PEOPLE)
app.add_typer(standing_app, name="standing", rich_help_panel=PEOPLE)
app.command("halt", rich_help_panel=PEOPLE)(halt_command.halt)
app.add_typer(resources_app, name="resources", rich_help_panel=PEOPLE)
app.command("login", rich_help_panel=ACCESS)(login_command.login)
app.command("logout", rich_help_panel=ACCESS)(login_command.logout)
app.command("whoami", rich_help_panel=ACCESS)(login_command.whoami)
app.add_typer(people_app, name="people", rich_help_panel=ACCESS)
app.add_typer(tokens_app, name="tokens", rich_help_panel=ACCESS)
app.add_typer(glass_app, name="break-glass", rich_help_panel=ACCESS)
app.command("notify", rich_help_panel=SERVICE)(notify_command.notify)
app.command("probe-agent", rich_help_panel=SERVICE)(agent_command.probe_agent)
app.command("serve", rich_help_panel=SERVICE)(service_commands.serve)
app.add_typer(secrets_app, name="secrets", rich_help_panel=SERVICE)
app.add_typer(audit_app, name="audit", rich_help_panel=SERVICE)
app.command("demo", rich_help_panel=SERVICE)(demo_command.demo)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry of the `bascule` command, with the process's own arguments by default.

    Raises SystemExit with a code of `Exit`, whatever happens; no error shows a stack trace.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    session = Session()
    if is_completing():
        silence()
    try:
        app(args=arguments, obj=session, prog_name="bascule")
        sys.exit(Exit.DONE)
    except CommandError as error:
        _end(session, error.told(session.language), error.code)
    except Denied as error:
        _end(session, str(error), Exit.REFUSED)
    except (RequestError, EstateGitError) as error:
        _end(session, str(error), Exit.FAILED)
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except Exception as error:
        kept = _log_to_file(session)
        log.exception("a command ended unexpectedly")
        _end(session, session.say("cli.unexpected", kind=type(error).__name__, kept=kept), Exit.FAILED)


def _end(session: Session, message: str, code: Exit) -> NoReturn:
    session.note(message)
    sys.exit(code)


def _log_to_file(session: Session) -> str:
    """Let the log go where someone can find it; answers where, in a sentence."""
    file = session.data / "bascule.log"
    log.propagate = False
    try:
        session.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        handler = logging.FileHandler(file, encoding="utf-8")
        install_in_logs()
    except OSError as error:
        log.addHandler(logging.NullHandler())
        return session.say("cli.unexpected.unwritten", file=file, why=error.strerror)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    return session.say("cli.unexpected.written", file=file)
