"""A plan on a terminal: its steps in order with what each would change, the critical path, the digest."""

from collections.abc import Sequence
from itertools import groupby

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from orchestrator.cli.changes import after_line, change_lines
from orchestrator.cli.session import Session
from orchestrator.cli.wording import counted, duration, one_line, short_step
from orchestrator.domain.kinds import KINDS
from orchestrator.domain.limits import BlastRadius
from orchestrator.domain.plan import Plan, expected
from orchestrator.domain.sovereignty import Verdict
from orchestrator.operations.plan_outline import machine_seconds, may_change


def show_plan(session: Session, plan: Plan, now: float) -> None:
    """The whole plan. `now` is seconds since the epoch, UTC."""
    session.out.print(_heading(plan))
    show_turns(session, plan)
    session.out.print(_steps(plan, now))
    show_path(session, plan)
    show_radius(session, plan)
    show_sovereignty(session, plan)
    session.line(f"Digest {plan.digest}", copied=True)


def show_radius(session: Session, plan: Plan) -> None:
    """What it makes and touches, with the limits where there are some, and the prices that nobody knows."""
    found = plan.blast_radius
    if found is None:
        return
    session.out.print(_indented(f"Makes and touches: {radius_summary(found)}."))
    for one in found.footprint.unpriced:
        what = f"{one.size or 'a size'} at {one.provider}"
        session.out.print(_indented(f"  ? The price of {short_step(one.step)} ({one_line(what)}) is not known."))
    guessed = [one for one in found.footprint.servers if not one.verified]
    if guessed:
        names = ", ".join(short_step(one.step) for one in guessed)
        session.out.print(_indented(f"  ? The price of {names} is the catalogue's, and nobody verified it."))
    for excess in found.excesses:
        session.out.print(_indented(f"  ! Over the limit: {one_line(excess.en)}. It can't be started."))


def radius_summary(found: BlastRadius) -> str:
    """Such as `2 services (at most 8), 1 server, 0 zones, 0.02 € an hour`."""
    footprint, most = found.footprint, found.limits
    parts = [
        _at_most(counted(len(footprint.services), "service"), most.services),
        _at_most(counted(len(footprint.servers), "server"), most.servers),
        _at_most(counted(len(footprint.zones), "zone"), most.zones),
    ]
    if footprint.servers:
        more = " and what is not known" if footprint.unpriced else ""
        parts.append(_at_most(f"{footprint.euros_per_hour:g} € an hour{more}", most.euros_per_hour))
    return ", ".join(parts)


def _at_most(text: str, limit: float | None) -> str:
    return text if limit is None else f"{text} (at most {limit:g})"


def show_sovereignty(session: Session, plan: Plan) -> None:
    """Whom the plan relies on, what exceptions it needs, and what nobody verified."""
    if plan.sovereignty:
        session.out.print(Text(sovereignty_summary(plan.sovereignty)))
    for verdict in plan.sovereignty:
        for lifted in verdict.lifted:
            said = f"Exception until {lifted.until} by {lifted.by}: {verdict.place} for {verdict.service}"
            session.out.print(_indented(f"  ! {one_line(f'{said} {lifted.reason}. Reason: {lifted.because}')}"))
    for doubt in dict.fromkeys(doubt for verdict in plan.sovereignty for doubt in verdict.doubts):
        session.out.print(_indented(f"  ? {one_line(doubt)}"))


def show_turns(session: Session, plan: Plan) -> None:
    """While clocks run: the order of the services, and why."""
    if plan.turns:
        session.line("Clocks run. Services go in this order:")
    for turn in plan.turns:
        session.out.print(_indented(f"  {turn.service}: {one_line(turn.reason['en'])}"))


def sovereignty_summary(verdicts: Sequence[Verdict]) -> str:
    places = list(dict.fromkeys(verdict.place for verdict in verdicts))
    lifted = sum(len(verdict.lifted) for verdict in verdicts)
    more = f", {counted(lifted, 'exception')} used" if lifted else ""
    return f"Policy: {', '.join(places)} may be relied on{more}."


def show_plan_shortly(session: Session, plan: Plan) -> None:
    """A few lines: for who starts it at once."""
    session.out.print(_heading(plan))
    show_turns(session, plan)
    for service in dict.fromkeys(step.service for step in plan.steps):
        found = [step for step in plan.steps if step.service == service]
        changing = sum(1 for step in found if may_change(step))
        people = sum(1 for step in found if KINDS[step.uses].by_person)
        held = f", {counted(people, 'hold point')}" if people else ""
        session.line(f"  {service}: {counted(len(found), 'step')}, {changing} that change something{held}")
    show_path(session, plan)
    show_radius(session, plan)
    show_sovereignty(session, plan)
    session.line(f"Digest {plan.digest}", copied=True)


def show_path(session: Session, plan: Plan) -> None:
    path = " → ".join(_brief(step) for step in plan.critical_path)
    session.out.print(Text(f"Critical path (*): {path}" if path else "Nothing to do."))
    hands_off = machine_seconds(plan)
    least = f"; {duration(hands_off)} if people answer at once" if plan.expected_seconds > hands_off else ""
    session.line(f"Expected: {duration(plan.expected_seconds)}{least}")


def _heading(plan: Plan) -> Text:
    what = f"{plan.direction} of {', '.join(plan.services)}"
    text = Text(f"Plan: {what} in scope {plan.scope}", style="bold")
    return text.append(f"\n{counted(len(plan.steps), 'step')}, estate {plan.commit[:12]}", style="default not bold")


def _steps(plan: Plan, now: float) -> Table:
    critical = set(plan.critical_path)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("step", no_wrap=True)
    table.add_column("what it would change now", ratio=1, overflow="fold")
    table.add_column("expected", justify="right", no_wrap=True)
    for (service, rescue), steps in groupby(plan.steps, key=lambda step: (step.service, step.rescue)):
        table.add_row(Text(f"{service}, fetched first" if rescue else service, style="bold"))
        for step in steps:
            lines = change_lines(step, now)
            after = after_line(step)
            if after:
                lines[0] += f" ({after})"
            name = f"{'*' if step.id in critical else ' '} {short_step(step.id)}"
            table.add_row(Text(name), Group(*map(_indented, lines)), duration(expected(step)))
    return table


def _indented(line: str) -> Padding:
    """Its leading blanks hold for all the lines that it is wrapped into."""
    text = line.lstrip(" ")
    return Padding(Text(text), (0, 0, 0, len(line) - len(text)))


def _brief(step_id: str) -> str:
    """`portal-failover/go` -> `portal/go`: the words that every runbook's name repeats say nothing here."""
    runbook, _, step = step_id.partition("/")
    return f"{runbook.removesuffix('-failover').removesuffix('-failback')}/{step}"
