"""The estate: which commit counts and who stands for it, what is in it, and what differs between two."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from orchestrator.domain.bundle import Bundle
from orchestrator.domain.estate import FILE
from orchestrator.domain.estate_changes import is_runbook
from orchestrator.domain.people.actor import Actor
from orchestrator.domain.runbook import read_sheet
from orchestrator.operations.estate import Refusal
from orchestrator.operations.request import Denied, NotFound, RequestError
from orchestrator.store.estates import Accepted
from orchestrator.web.edge.authority import Acting, name_of, sees
from orchestrator.web.pages.action import Action, Field, answer, ask, reason
from orchestrator.web.pages.done import done
from orchestrator.web.pages.estate_view import (
    block_of,
    changed_views,
    compare_link,
    file_link,
    file_views,
    policy_signers,
    problem_lines,
    signers,
    without_password,
)
from orchestrator.web.pages.form import Form
from orchestrator.web.pages.history_pages import Before
from orchestrator.web.pages.page import Lang, render
from orchestrator.web.pages.text import clean
from orchestrator.web.parts import Given, Parts
from orchestrator.web.words import Language, say

LISTED = 10
COMPARABLE = 50
"""Accepted commits that can be chosen to be compared; links lead to older ones."""

router = APIRouter(prefix="/estate", include_in_schema=False)

Commit = Annotated[str, Query(pattern=r"^([0-9a-f]{40}([0-9a-f]{24})?)?$", max_length=64)]


@router.get("")
def show_estate(request: Request, given: Given, acting: Acting, language: Lang, before: Before = None) -> Response:
    estates, reading = given.service.estates, given.service.estate_reading
    remote = {
        "url": without_password(estates.url),
        "branch": estates.branch,
        "fetched": estates.fetched,
        "error": without_password(estates.fetched.error) if estates.fetched else "",
    }
    whole = sees(acting, ())
    refused = _refusal(estates.refusal, whole=whole)
    try:
        row = estates.accepted()
    except NotFound:
        return render(request, "estate_none.html", language, remote=remote, refused=refused, commit="")
    listed = reading.history(LISTED + 1, before)
    return render(
        request,
        "estate.html",
        language,
        row=row,
        signed=signers(row.voucher),
        policy_signed=policy_signers(row.voucher),
        remote=remote,
        refused=refused,
        commit=row.commit,
        whole=whole,
        history=[_accepted(one) for one in listed[:LISTED]],
        comparable=_comparable(given, row.commit) if whole else [],
        older=f"/estate?before={listed[LISTED - 1].seq}#history" if len(listed) > LISTED else "",
        newest="/estate#history" if before else "",
        **_content(given, acting, language, row.commit, whole=whole),
    )


@router.get("/compare")
def compare(
    request: Request, given: Given, acting: Acting, language: Lang, before: Commit = "", after: Commit = ""
) -> Response:
    _require_whole(acting)
    newest = given.service.estates.newest()
    after = after or newest
    before = before or _previous(given, after)
    found = given.service.estate_reading.compare(before, after)
    return render(
        request,
        "estate_compare.html",
        language,
        before=before,
        after=after,
        same=not found.files,
        services=changed_views(language, found.meaning.services),
        runbooks=changed_views(language, found.meaning.runbooks),
        unread=found.meaning.unread,
        charter=found.charter,
        files=list(file_views(language, found.files, before, after)),
        comparable=_comparable(given, before, after),
        turned=compare_link(after, before),
    )


@router.get("/files")
def list_files(request: Request, given: Given, acting: Acting, language: Lang, commit: Commit = "") -> Response:
    _require_whole(acting)
    commit = commit or given.service.estates.newest()
    paths = given.service.estate_reading.paths(commit)
    files = [(path, file_link(path, commit)) for path in paths]
    return render(request, "estate_files.html", language, commit=commit, files=files, **_standing(given, commit))


@router.get("/files/{path:path}")
def show_file(
    request: Request, path: str, given: Given, acting: Acting, language: Lang, commit: Commit = ""
) -> Response:
    commit = commit or given.service.estates.newest()
    whole = sees(acting, ())
    if not whole and not is_runbook(path):
        _require_whole(acting)
    found = given.service.estate_reading.file(commit, path)
    if not whole and not _is_of_theirs(acting, path, found.text):
        _require_whole(acting)
    lines = [clean(line) for line in found.text.split("\n")]
    lines = lines[:-1] if lines[-1] == "" else lines
    return render(
        request,
        "estate_file.html",
        language,
        commit=commit,
        file=found,
        lines=lines,
        whole=whole,
        **_standing(given, commit),
    )


@router.get("/sync")
def ask_sync(request: Request, given: Given, language: Lang) -> Response:
    return ask(request, language, _syncing(given, language))


@router.post("/sync")
def sync(request: Request, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    def act(_typed: Mapping[str, str]) -> Response:
        _, new = given.service.estates.sync(name_of(acting, None))
        return done(request, "/estate", "synced" if new else "current")

    return answer(request, language, _syncing(given, language), form, act)


@router.get("/accept")
def ask_accept(request: Request, given: Given, language: Lang) -> Response:
    return ask(request, language, _accepting(given, language))


@router.post("/accept")
def accept(request: Request, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    def act(typed: Mapping[str, str]) -> None:
        given.service.estates.accept(typed["commit"], name_of(acting, None), typed["reason"])

    return answer(request, language, _accepting(given, language), form, act)


def _syncing(given: Parts, language: Language) -> Action:
    estates = given.service.estates
    return Action(
        title=say(language, "estate.sync"),
        does=say(language, "estate.sync.does"),
        touches=[clean(f"{without_password(estates.url)} · {estates.branch}")],
        safe=say(language, "estate.sync.safe"),
        button=say(language, "estate.sync"),
        back="/estate",
        command="bascule estate sync",
    )


def _accepting(given: Parts, language: Language) -> Action:
    """The commit is typed: it is what somebody looked at, and no page fills it in."""
    refusal = given.service.estates.refusal
    return Action(
        title=say(language, "estate.accept"),
        does=say(language, "estate.accept.does"),
        touches=[] if refusal is None else [say(language, "estate.accept.refused", commit=refusal.commit)],
        safe=say(language, "estate.accept.safe"),
        button=say(language, "estate.accept"),
        back="/estate",
        did="accepted",
        fields=[
            Field("commit", say(language, "estate.accept.commit"), help=say(language, "estate.accept.digits"), most=64),
            reason(language),
        ],
        danger=True,
        command="bascule estate accept COMMIT --reason …",
    )


def _content(given: Parts, acting: Actor, language: Language, commit: str, *, whole: bool) -> dict[str, Any]:
    """What is in the estate at the commit; `fault` says why it can't be read."""
    try:
        bundle = given.service.estates.bundle(commit)
        problems = given.service.estate_reading.problems(commit)
    except RequestError as error:
        none: dict[str, Any] = {"services": [], "runbooks": [], "scopes": [], "policy": None, "problems": []}
        return {**none, "fault": str(error), "advice": [], "title": ""}
    estate = bundle.estate
    sheet = given.service.estate_reading.file(commit, FILE).text if whole else ""
    return {
        "fault": "",
        "title": getattr(estate.title, language),
        "services": [
            {"name": name, "service": one, "title": getattr(one.title, language)}
            for name, one in estate.services.items()
        ],
        "runbooks": _runbooks(acting, bundle, language, commit, whole=whole),
        "scopes": [(name, scope.mode.value) for name, scope in estate.scopes.items()],
        "policy": block_of(sheet, "policy"),
        "problems": problem_lines(problems, commit, linked=whole),
        "advice": problem_lines(bundle.advice, commit, linked=whole),
    }


def _runbooks(acting: Actor, bundle: Bundle, language: Language, commit: str, *, whole: bool) -> list[dict[str, Any]]:
    titles = {name: getattr(one.title, language) for name, one in bundle.estate.services.items()}
    return [
        {
            "name": name,
            "title": getattr(one.title, language),
            "service": one.service,
            "service_title": titles.get(one.service, one.service),
            "direction": one.direction.value,
            "steps": len(one.steps),
            "link": file_link(one.file, commit) if whole or sees(acting, [one.service]) else "",
        }
        for name, one in sorted(bundle.runbooks.items())
    ]


def _refusal(refusal: Refusal | None, *, whole: bool) -> dict[str, Any] | None:
    if refusal is None:
        return None
    problems = problem_lines(refusal.problems, refusal.commit, linked=whole)
    return {"commit": refusal.commit, "why": refusal.why, "problems": problems, "count": len(refusal.problems)}


def _accepted(one: Accepted) -> dict[str, Any]:
    return {
        "row": one,
        "signed": ", ".join(one.voucher.signature.principals) if one.voucher else "",
        "files": f"/estate/files?commit={one.commit}",
        "compare": compare_link(one.previous, one.commit) if one.previous else "",
    }


def _comparable(given: Parts, *besides: str) -> list[tuple[str, float | None]]:
    """Commits to choose from, the newest first: those that were accepted, the refused one, and these."""
    refusal = given.service.estates.refusal
    found: dict[str, float | None] = {} if refusal is None else {refusal.commit: None}
    for one in given.service.estate_reading.history(COMPARABLE):
        found.setdefault(one.commit, one.accepted_at)
    for commit in besides:
        found.setdefault(commit, None)
    return list(found.items())


def _previous(given: Parts, commit: str) -> str:
    """The commit that was accepted before this one; this one itself where there is none."""
    try:
        return given.service.estates.accepted(commit).previous or commit
    except NotFound:
        return given.service.estates.newest()


def _standing(given: Parts, commit: str) -> dict[str, Any]:
    """Whether the commit is the one that counts, was accepted once, or was not."""
    try:
        accepted = given.service.estates.accepted(commit)
    except NotFound:
        return {"accepted_at": None, "counts": False}
    return {"accepted_at": accepted.accepted_at, "counts": commit == given.service.estates.newest()}


def _is_of_theirs(acting: Actor, path: str, text: str) -> bool:
    sheet, _ = read_sheet(text, path)
    return sheet is not None and sees(acting, [sheet.runbook.service])


def _require_whole(acting: Actor) -> None:
    """Raises Denied: files may speak of any service."""
    if not sees(acting, ()):
        raise Denied("The estate's files speak of every service: a role for the whole organisation may read them.")
