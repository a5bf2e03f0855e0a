"""Which language a terminal is spoken to in."""

import pytest

from orchestrator.cli.client import Answered
from orchestrator.cli.exits import CommandError, Exit
from orchestrator.cli.language import language_in


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "fr_FR.UTF-8"}, "fr"),
        ({"LANG": "fr"}, "fr"),
        ({"LANG": "fr_CA.UTF-8", "LC_MESSAGES": "C"}, "en"),
        ({"LC_MESSAGES": "fr_BE@euro", "LANG": "de_DE.UTF-8"}, "fr"),
        ({"LC_ALL": "C.UTF-8", "LANG": "fr_FR"}, "en"),
        ({"LC_ALL": "", "LANG": "fr_FR"}, "fr"),
        ({"BASCULE_LANG": "fr", "LC_ALL": "C"}, "fr"),
        ({"BASCULE_LANG": "en", "LC_ALL": "fr_FR"}, "en"),
        ({"LANG": "frp_IT"}, "en"),
        ({"LANG": "de_DE"}, "en"),
    ],
)
def test_the_locale_says_the_language(environment: dict[str, str], language: str) -> None:
    assert language_in(environment) == language


def test_an_error_of_ours_is_told_in_both_languages() -> None:
    error = CommandError.of("cli.no_service", Exit.FAILED, data="/srv")
    assert error.told("en") == str(error) == "No service is running for /srv. Start one with: bascule serve"
    assert error.told("fr").startswith("Aucun service ne tourne pour /srv.")
    assert CommandError("as it is").told("fr") == "as it is"


def test_what_the_service_says_stands_behind_what_it_is_about() -> None:
    refusal = Answered("Run r1 is not paused.", Exit.FAILED)
    refusal.problem = "conflict"
    assert refusal.told("en") == "Run r1 is not paused."
    assert refusal.told("fr") == "Cela contredit ce qui est là maintenant\u00a0: Run r1 is not paused."
    refusal.problem = "of_a_newer_service"
    assert refusal.told("fr") == "Run r1 is not paused."
