"""What stands in the way is told on a page with every place and remedy, whatever gate says no."""

import functools
import re
from html import unescape

from orchestrator.domain.problem import Problem as EstateProblem
from orchestrator.domain.sovereignty import Reason, Verdict
from orchestrator.operations.estate import InvalidEstate
from orchestrator.operations.gate import BelowPolicy
from orchestrator.operations.plans import OverLimit
from orchestrator.operations.request import RequestError, SecretsMissing
from orchestrator.web.pages.page import _templates
from orchestrator.web.problem import problem_of
from orchestrator.web.words import say_marked
from tests.rich_plan import rich_plan


def told(error: RequestError) -> str:
    macro = _templates.get_template("parts.html").module.trouble  # type: ignore[attr-defined]
    html = str(macro(functools.partial(say_marked, "en"), problem_of(error)))
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_every_problem_of_an_estate_with_its_place_and_remedy() -> None:
    found = [
        EstateProblem("bascule.yaml", 3, 5, "`titel` is not known.", "Did you mean `title`?"),
        EstateProblem("runbooks/desk.yaml", 12, 1, "A <b> is no step.", "Name one."),
    ]
    said = told(InvalidEstate("c" * 40, found))
    assert "bascule.yaml:3:5 `titel` is not known. Did you mean `title`?" in said
    assert "runbooks/desk.yaml:12:1 A <b> is no step. Name one." in said
    assert "What you typed is still here" in said


def test_every_place_that_the_policy_refuses_with_the_record_that_shows_it() -> None:
    why = Reason(rule="secnumcloud", says="Not qualified.", record="targets/x.yaml: secnumcloud")
    verdicts = [Verdict(service=name, place="x", reasons=(why,)) for name in ("desk", "phone")]
    said = told(BelowPolicy(verdicts))
    assert "desk · x Not qualified. targets/x.yaml: secnumcloud" in said
    assert "phone · x Not qualified." in said


def test_every_limit_that_a_plan_is_over() -> None:
    radius = rich_plan("c" * 40, 0.0).blast_radius
    assert radius is not None
    assert "Servers made 2 / 1" in told(OverLimit("live", radius.excesses))


def test_what_has_no_list_is_told_in_its_own_words() -> None:
    assert "secrets of its scope can't be had: a" in told(SecretsMissing("secrets of its scope can't be had: a"))
