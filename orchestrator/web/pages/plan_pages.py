"""Plans: the list, the form that makes one, the page that is read before it is approved, and the start of its run."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from orchestrator.domain.authority import RELEASES_NEEDED
from orchestrator.domain.bundle import Bundle
from orchestrator.domain.model import Direction, Mode, RunState
from orchestrator.domain.parameters import named_values
from orchestrator.domain.people.actor import Actor
from orchestrator.domain.people.role import Permission
from orchestrator.domain.plan import Plan, differences
from orchestrator.operations.changes import changes_in, moved_turns
from orchestrator.operations.plan_outline import machine_seconds, outline
from orchestrator.operations.request import NotFound, RequestError
from orchestrator.store.plans import RunOfPlan
from orchestrator.web.api.orders import PlanDigest, PlanOrder
from orchestrator.web.edge.authority import Acting, name_of, require, sees
from orchestrator.web.pages import plan_form, plan_view
from orchestrator.web.pages.action import Action, Field, answer, ask, reason
from orchestrator.web.pages.form import Form, Values
from orchestrator.web.pages.page import Lang, render, service_titles
from orchestrator.web.pages.plan_form import Chosen
from orchestrator.web.pages.run_view import RUN_LOOKS
from orchestrator.web.parts import Given, Parts
from orchestrator.web.problem import ANSWERABLE, Problem, problem, problem_of
from orchestrator.web.words import Language, say

router = APIRouter(prefix="/plans", include_in_schema=False)

LISTED = 25
"""Plans on one page of the list."""
STEPS = 100
"""Steps on one page of a plan."""
ALARMS = 20
"""Things to look at that are named above the steps; all of them stand at their steps."""
MOST_SERVICES = 200

PageNumber = Annotated[int, Query(ge=1, le=10_000)]
Named = Annotated[list[str], Query(max_length=MOST_SERVICES)]
Word = Annotated[str, Query(max_length=100)]


@router.get("")
def list_plans(request: Request, given: Given, acting: Acting, language: Lang, page: PageNumber = 1) -> Response:
    found = given.service.plans.listed(LISTED + 1, (page - 1) * LISTED)
    titles = service_titles(given, language)
    plans = [
        {"plan": row, "names": _names(row.services, titles), "runs": [_run(language, run) for run in made]}
        for row, made in found[:LISTED]
        if sees(acting, row.services)
    ]
    later = page + 1 if len(found) > LISTED else 0
    return render(request, "plans.html", language, plans=plans, page=page, later=later)


@router.get("/new")
def ask_plan(
    request: Request,
    given: Given,
    acting: Acting,
    language: Lang,
    service: Named = [],  # noqa: B006 - FastAPI reads it, nobody writes it
    vendor: Word = "",
    scope: Word = "",
    direction: Word = "",
) -> Response:
    bundle, refused = _newest(given)
    if bundle is None:
        return _form(request, given, acting, language, None, Chosen(tuple(service), scope, direction), refused)
    chosen = plan_form.first_choice(bundle.estate, service, vendor, scope, direction)
    return _form(request, given, acting, language, bundle, chosen)


@router.post("/new")
def make_plan(request: Request, values: Values, given: Given, acting: Acting, language: Lang) -> Response:
    """Made in this request, as by the API: what takes its time is looking, and there is no telling how long."""
    chosen = _chosen(values)
    try:
        if chosen.services:
            require(given, acting, Permission.PLAN, chosen.services)
        refused = _unfit(language, chosen)
        if refused is None:
            return RedirectResponse(f"/plans/{_made(given, chosen).digest}", status_code=303)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        refused = problem(422, wrong)
    except ValueError as error:
        refused = problem(422, str(error))
    except ANSWERABLE as error:
        refused = problem_of(error)
    bundle, _ = _newest(given)
    return _form(request, given, acting, language, bundle, chosen, refused)


@router.get("/{digest}")
def show_plan(
    request: Request,
    digest: PlanDigest,
    given: Given,
    acting: Acting,
    language: Lang,
    page: PageNumber = 1,
    whole: Annotated[str, Query(max_length=3)] = "",
) -> Response:
    """`whole`: every step on one page and unfolded, for paper."""
    plan = _seen_by(given, acting, digest)
    return _page(request, given, acting, language, plan, page=page, whole=bool(whole))


@router.get("/{digest}/moved")
def ask_moved(request: Request, digest: PlanDigest, given: Given, acting: Acting, language: Lang) -> Response:
    plan = _seen_by(given, acting, digest)
    require(given, acting, Permission.PLAN, plan.services)
    action = Action(
        title=say(language, "plan.moved.ask"),
        does=say(language, "plan.moved.does"),
        safe=say(language, "plan.moved.safe"),
        button=say(language, "plan.moved.ask"),
        back=f"/plans/{plan.digest}",
        mode=Mode(plan.mode),
    )
    return ask(request, language, action)


@router.post("/{digest}/moved")
def what_moved(request: Request, digest: PlanDigest, given: Given, acting: Acting, language: Lang) -> Response:
    """Looks at the outside, so that it is never done by merely opening a page."""
    plan = _seen_by(given, acting, digest)
    require(given, acting, Permission.PLAN, plan.services)
    try:
        now = given.service.plans.look_again(plan)
    except ANSWERABLE as error:
        return _page(request, given, acting, language, plan, refused=problem_of(error))
    return _page(request, given, acting, language, plan, moved=since_planned(language, plan, now))


@router.get("/{digest}/start")
def ask_start(request: Request, digest: PlanDigest, given: Given, acting: Acting, language: Lang) -> Response:
    plan = _startable(given, acting, digest)
    return ask(request, language, _starting(given, language, plan))


@router.post("/{digest}/start")
def start(request: Request, digest: PlanDigest, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    plan = _startable(given, acting, digest)

    def act(typed: Mapping[str, str]) -> str:
        key = f"page:{typed['key']}"
        started = given.service.runs.start(plan.digest, name_of(acting, None), typed["reason"], key)
        return f"/runs/{started.run_id}"

    return answer(request, language, _starting(given, language, plan), form, act)


def short_list(given: Parts, language: Language, plan: Plan) -> list[plan_view.Short]:
    """The plan's changes, a line a service."""
    return plan_view.shortly(language, outline(plan), service_titles(given, language, plan.commit))


def _starting(given: Parts, language: Language, plan: Plan) -> Action:
    mode = Mode(plan.mode)
    asks, needed = mode is not Mode.REHEARSAL, RELEASES_NEEDED[mode]
    what = say(language, f"direction.{plan.direction}")
    names = _names(plan.services, service_titles(given, language, plan.commit))
    does = say(language, "plan.start.waits", count=needed) if needed else say(language, "plan.start.goes")
    quoted = " --reason …" if asks else ""
    return Action(
        title=say(language, "plan.start.title", what=what, names=names, scope=plan.scope),
        does=does,
        button=say(language, "plan.start.do"),
        back=f"/plans/{plan.digest}",
        did="plan.waits" if needed else "plan.started",
        touches=[f"{one.title} · {one.changes}" for one in short_list(given, language, plan)],
        safe=say(language, "plan.start.safe"),
        fields=[
            reason(language, required=asks),
            Field("key", "key", "hidden", value=secrets.token_hex(16), most=64),
        ],
        confirm=plan.scope if asks else "",
        danger=mode is Mode.LIVE,
        mode=mode,
        command=f"bascule run --plan {plan.digest}{quoted}",
    )


def _seen_by(given: Parts, acting: Actor, digest: str) -> Plan:
    """Raises NotFound, also of what the caller may not know."""
    plan = given.service.plans.get(digest)
    if not sees(acting, plan.services):
        raise NotFound("There is no such plan, or you have no role for all of its services.")
    return plan


def _startable(given: Parts, acting: Actor, digest: str) -> Plan:
    plan = _seen_by(given, acting, digest)
    require(given, acting, Permission.START, plan.services, Mode(plan.mode))
    return plan


def _page(
    request: Request,
    given: Parts,
    acting: Actor,
    language: Language,
    plan: Plan,
    *,
    page: int = 1,
    whole: bool = False,
    refused: Problem | None = None,
    moved: Mapping[str, Any] | None = None,
) -> Response:
    """The plan with everything that one knows before one says yes. `moved`: what a look just now has shown."""
    now = given.service.progress.clock()
    titles = service_titles(given, language, plan.commit)
    made_at, runs = given.service.plans.history(plan.digest)
    pages = max(1, -(-len(plan.steps) // STEPS))
    page = min(page, pages)
    first, last = (0, len(plan.steps)) if whole else ((page - 1) * STEPS, page * STEPS)
    looks = [step.seen.at for step in plan.steps if step.seen is not None and step.seen.at is not None]
    changes = changes_in(plan)
    alarms = plan_view.alarms(language, plan, changes, now)
    values: dict[str, Any] = {
        "plan": plan,
        "titles": titles,
        "digits": plan_view.digits(plan.digest),
        "made_at": made_at,
        "looked_at": max(looks, default=made_at),
        "stale": sum(step.seen is not None and step.seen.stale for step in plan.steps),
        "signer": _signer(given, plan),
        "quick": machine_seconds(plan),
        "outlined": plan_view.shortly(language, outline(plan, changes), titles),
        "alarms": alarms if whole else alarms[:ALARMS],
        "alarms_more": 0 if whole else max(0, len(alarms) - ALARMS),
        "steps_at_once": STEPS,
        "groups": plan_view.groups(language, plan, changes, titles, now, first, last),
        "unfolded": whole or len(plan.steps) <= plan_view.OPEN_BELOW,
        "page": page,
        "pages": 1 if whole else pages,
        "whole": whole,
        "critical": plan_view.path(language, plan, titles),
        "radius": plan_view.radius(language, plan.blast_radius) if plan.blast_radius is not None else [],
        "lifted": [(verdict, one) for verdict in plan.sovereignty for one in verdict.lifted],
        "doubts": list(dict.fromkeys(doubt for verdict in plan.sovereignty for doubt in verdict.doubts)),
        "relied_on": list(dict.fromkeys(verdict.place for verdict in plan.sovereignty)),
        "obstacles": _obstacles(given, plan),
        "needed": RELEASES_NEEDED[Mode(plan.mode)],
        "approvers": plan_view.approvers(given.service.people.register.listed(), plan.services, acting.name),
        "made_runs": [_run(language, run) for run in runs],
        "again": _again(plan),
        "refused": refused,
        "moved": moved,
    }
    return render(request, "plan.html", language, path=f"/plans/{plan.digest}", **values)


def _obstacles(given: Parts, plan: Plan) -> list[Problem]:
    """The gates that are closed for this plan now, as far as that is known without looking at the outside."""
    plans = given.service.plans
    checks: tuple[Callable[[Plan], object], ...] = (
        plans.require_trusted,
        plans.require_within_limits,
        plans.require_lawful,
    )
    found = []
    for check in checks:
        try:
            check(plan)
        except ANSWERABLE as error:
            found.append(problem_of(error))
    return found


def since_planned(language: Language, plan: Plan, now: Plan) -> dict[str, Any]:
    """What differs from what the plan was made on, and what could not be read now: of that nobody knows."""
    numbers = {step.id: place for place, step in enumerate(plan.steps, start=1)}
    unread = [step.id for step in now.steps if step.seen is not None and (step.seen.stale or step.seen.at is None)]
    differing = [
        {
            "step": one["step"],
            "number": numbers.get(one["step"], 0),
            "tables": plan_view.moved_tables(language, moved_turns(one["planned_on"], one["now"])),
        }
        for one in differences(plan, now)
        if one["step"] not in unread
    ]
    return {"steps": differing, "unread": unread}


def _signer(given: Parts, plan: Plan) -> str:
    """Who signed the plan's commit; empty where nobody did, or nobody knows any more."""
    try:
        voucher = given.service.estates.accepted(plan.commit).voucher
    except RequestError:
        return ""
    return voucher.signature.name if voucher is not None else ""


def _again(plan: Plan) -> str:
    """Where the same is planned anew."""
    chosen = Chosen((), plan.scope, plan.direction)
    return plan_form.address(chosen, services=plan.services)


def _run(language: Language, run: RunOfPlan) -> dict[str, Any]:
    state = RunState(run.state)
    icon, tone = RUN_LOOKS[state]
    return {**asdict(run), "icon": icon, "tone": tone, "word": say(language, f"run.{state.value}")}


def _names(services: Sequence[str], titles: Mapping[str, str]) -> str:
    return ", ".join(titles.get(name, name) for name in services)


def _newest(given: Parts) -> tuple[Bundle | None, Problem | None]:
    """The newest accepted estate, or why there is none to plan with."""
    try:
        return given.service.estates.bundle(given.service.estates.newest()), None
    except ANSWERABLE as error:
        return None, problem_of(error)


def _chosen(values: Sequence[tuple[str, str]]) -> Chosen:
    one = dict(values)
    services = dict.fromkeys(value.strip() for name, value in values if name == "service" and value.strip())
    return Chosen(
        tuple(services), one.get("scope", ""), one.get("direction", ""), one.get("parameters", "").replace("\r", "")
    )


def _made(given: Parts, chosen: Chosen) -> Plan:
    """By the rules of the API. Raises ValueError, RequestError."""
    order = PlanOrder.model_validate(
        {
            "services": list(chosen.services),
            "scope": chosen.scope,
            "direction": chosen.direction,
            "parameters": named_values(chosen.parameters.splitlines()),
        }
    )
    return given.service.plans.make(order.services, order.scope, order.direction, order.parameters)


def _unfit(language: Language, chosen: Chosen) -> Problem | None:
    """What the form itself can say."""
    if not chosen.services:
        return problem(422, say(language, "plan.new.no_service"))
    if not chosen.scope:
        return problem(422, say(language, "plan.new.no_scope"))
    if len(chosen.parameters) > plan_form.MOST_PARAMETERS:
        return problem(422, say(language, "plan.new.unfit"))
    return None


def _form(
    request: Request,
    given: Parts,
    acting: Actor,
    language: Language,
    bundle: Bundle | None,
    chosen: Chosen,
    refused: Problem | None = None,
) -> Response:
    values: dict[str, Any] = {"chosen": chosen, "refused": refused, "refusal": given.service.estates.refusal}
    values |= {"most": plan_form.MOST_PARAMETERS, "directions": [one.value for one in Direction], "commit": ""}
    values |= {"services": [], "scopes": [], "vendors": [], "parameters": []}
    if bundle is not None:
        estate = bundle.estate
        allowed = {name for name in estate.services if acting.lacks(Permission.PLAN, [name]) is None}
        values |= {
            "commit": given.service.estates.newest(),
            "services": plan_form.service_choices(language, estate, allowed, chosen),
            "scopes": plan_form.scope_choices(language, estate, chosen),
            "vendors": plan_form.vendor_choices(estate, allowed, chosen),
            "parameters": plan_form.parameter_choices(language, bundle, chosen),
        }
    status = refused.status if refused is not None else 200
    return render(request, "plan_new.html", language, status, path="/plans/new", **values)
