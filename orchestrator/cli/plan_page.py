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
from orchestrator.cli.wording import one_line, short_step
from orchestrator.domain.kinds import KINDS
from orchestrator.domain.limits import BlastRadius
from orchestrator.domain.plan import Plan, expected
from orchestrator.domain.sovereignty import Verdict
from orchestrator.operations.plan_outline import machine_seconds, may_change
from orchestrator.web.times import duration
from orchestrator.web.words import Language, say


def show_plan(session: Session, plan: Plan, now: float) -> None:
    """The whole plan. `now` is seconds since the epoch, UTC."""
    session.out.print(_heading(session, plan))
    show_turns(session, plan)
    session.out.print(_steps(session, plan, now))
    show_path(session, plan)
    show_radius(session, plan)
    show_sovereignty(session, plan)
    session.line(f"{session.say('cli.plan.digest')} {plan.digest}", copied=True)


def show_radius(session: Session, plan: Plan) -> None:
    """What it makes and touches, with the limits where there are some, and the prices that nobody knows."""
    found = plan.blast_radius
    if found is None:
        return
    language = session.language
    session.out.print(_indented(session.say("cli.plan.radius", what=radius_summary(found, language))))
    for one in found.footprint.unpriced:
        size = one_line(one.size) if one.size else session.say("cli.plan.a_size")
        said = {"step": short_step(one.step), "size": size, "provider": one_line(one.provider)}
        session.out.print(_indented(f"  ? {session.say('cli.plan.unpriced', **said)}"))
    guessed = [one for one in found.footprint.servers if not one.verified]
    if guessed:
        names = ", ".join(short_step(one.step) for one in guessed)
        session.out.print(_indented(f"  ? {session.say('cli.plan.guessed', names=names)}"))
    for excess in found.excesses:
        what = one_line(getattr(excess, language))
        session.out.print(_indented(f"  ! {session.say('cli.plan.excess', what=what)}"))


def radius_summary(found: BlastRadius, language: Language) -> str:
    """Such as `2 services (at most 8), 1 server, 0 zones, 0.02 € an hour`."""
    footprint, most = found.footprint, found.limits
    counts = (
        ("cli.plan.services", len(footprint.services), most.services),
        ("cli.plan.servers", len(footprint.servers), most.servers),
        ("cli.plan.zones", len(footprint.zones), most.zones),
    )
    parts = [_at_most(say(language, key, count=count), limit, language) for key, count, limit in counts]
    if footprint.servers:
        key = "cli.plan.euros_at_least" if footprint.unpriced else "cli.plan.euros"
        euros = _number(footprint.euros_per_hour, language)
        parts.append(_at_most(say(language, key, euros=euros), most.euros_per_hour, language))
    return ", ".join(parts)


def _at_most(text: str, limit: float | None, language: Language) -> str:
    return text if limit is None else say(language, "cli.plan.at_most", what=text, limit=_number(limit, language))


def _number(value: float, language: Language) -> str:
    """French has a decimal comma."""
    return f"{value:g}".replace(".", ",") if language == "fr" else f"{value:g}"


def show_sovereignty(session: Session, plan: Plan) -> None:
    """Whom the plan relies on, what exceptions it needs, and what nobody verified."""
    if plan.sovereignty:
        session.out.print(Text(sovereignty_summary(plan.sovereignty, session.language)))
    for verdict in plan.sovereignty:
        for lifted in verdict.lifted:
            said = session.say(
                "cli.plan.exception",
                until=lifted.until,
                by=lifted.by,
                place=verdict.place,
                service=verdict.service,
                reason=lifted.reason,
                because=lifted.because,
            )
            session.out.print(_indented(f"  ! {one_line(said)}"))
    for doubt in dict.fromkeys(doubt for verdict in plan.sovereignty for doubt in verdict.doubts):
        session.out.print(_indented(f"  ? {one_line(doubt)}"))


def show_turns(session: Session, plan: Plan) -> None:
    """While clocks run: the order of the services, and why."""
    if plan.turns:
        session.line(session.say("cli.plan.turns"))
    for turn in plan.turns:
        reason = one_line(turn.reason[session.language])
        session.out.print(_indented(f"  {session.say('cli.now.said', what=turn.service, said=reason)}"))


def sovereignty_summary(verdicts: Sequence[Verdict], language: Language = "en") -> str:
    places = list(dict.fromkeys(verdict.place for verdict in verdicts))
    lifted = sum(len(verdict.lifted) for verdict in verdicts)
    told = say(language, "cli.plan.policy", places=", ".join(places))
    return f"{told}, {say(language, 'cli.plan.exceptions', count=lifted)}." if lifted else f"{told}."


def show_plan_shortly(session: Session, plan: Plan) -> None:
    """A few lines: for who starts it at once."""
    session.out.print(_heading(session, plan))
    show_turns(session, plan)
    for service in dict.fromkeys(step.service for step in plan.steps):
        found = [step for step in plan.steps if step.service == service]
        changing = sum(1 for step in found if may_change(step))
        people = sum(1 for step in found if KINDS[step.uses].by_person)
        parts = [session.say("cli.plan.steps", count=len(found)), session.say("cli.plan.changing", count=changing)]
        if people:
            parts.append(session.say("cli.plan.holds", count=people))
        session.line(f"  {session.say('cli.now.said', what=service, said=', '.join(parts))}")
    show_path(session, plan)
    show_radius(session, plan)
    show_sovereignty(session, plan)
    session.line(f"{session.say('cli.plan.digest')} {plan.digest}", copied=True)


def show_path(session: Session, plan: Plan) -> None:
    path = " → ".join(_brief(step) for step in plan.critical_path)
    language = session.language
    session.out.print(Text(session.say("cli.plan.path", path=path) if path else session.say("cli.plan.nothing")))
    hands_off, whole = machine_seconds(plan), duration(plan.expected_seconds, language)
    if plan.expected_seconds > hands_off:
        session.line(session.say("cli.plan.expected.least", time=whole, least=duration(hands_off, language)))
    else:
        session.line(session.say("cli.plan.expected", time=whole))


def _heading(session: Session, plan: Plan) -> Text:
    towards = session.say(f"direction.{plan.direction}")
    what = session.say("cli.run.what", direction=towards, services=", ".join(plan.services))
    text = Text(session.say("cli.plan.heading", what=what, scope=plan.scope), style="bold")
    steps = session.say("cli.plan.steps", count=len(plan.steps))
    return text.append(f"\n{steps}, {session.say('cli.plan.estate', commit=plan.commit[:12])}", style="not bold")


def _steps(session: Session, plan: Plan, now: float) -> Table:
    critical, language = set(plan.critical_path), session.language
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(session.say("head.step"), no_wrap=True)
    table.add_column(session.say("cli.plan.changes"), ratio=1, overflow="fold")
    table.add_column(session.say("head.expect"), justify="right", no_wrap=True)
    for (service, rescue), steps in groupby(plan.steps, key=lambda step: (step.service, step.rescue)):
        table.add_row(Text(session.say("cli.plan.rescue", service=service) if rescue else service, style="bold"))
        for step in steps:
            lines = change_lines(step, now, language)
            after = after_line(step, language)
            if after:
                lines[0] += f" ({after})"
            name = f"{'*' if step.id in critical else ' '} {short_step(step.id)}"
            table.add_row(Text(name), Group(*map(_indented, lines)), duration(expected(step), language))
    return table


def _indented(line: str) -> Padding:
    """Its leading blanks hold for all the lines that it is wrapped into."""
    text = line.lstrip(" ")
    return Padding(Text(text), (0, 0, 0, len(line) - len(text)))


def _brief(step_id: str) -> str:
    """`portal-failover/go` -> `portal/go`: the words that every runbook's name repeats say nothing here."""
    runbook, _, step = step_id.partition("/")
    return f"{runbook.removesuffix('-failover').removesuffix('-failback')}/{step}"
