"""Each check of an office or visio service, against its stand-in over TLS: healthy, and wrong in every way."""

from collections.abc import Iterator

import pytest

from providers.base import Presence
from providers.simulator.condition import Condition
from providers.simulator.nextcloud import Nextcloud
from tests.contract.suite import Case, ReadOnlyContract, everything_said, refused
from tests.office_town import SECRETS, TAG, TRIALS, Town, Trial, in_condition, office_town
from tests.sampling import sampled


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """One town for all tests: its sites are healthy whenever a test begins."""
    with office_town(tmp_path_factory.mktemp("office")) as made:
        yield made


@pytest.mark.core("nextcloud")
@pytest.mark.parametrize("kind", TRIALS)
class TestContract(ReadOnlyContract):
    """`probe.webdav` too: its canary is gone before the step ends."""

    @pytest.fixture
    def case(self, town: Town, kind: str) -> Case:
        trial = town.trial(kind)
        return Case(
            want=trial.want,
            context=town.context,
            make=trial.make,
            world=trial.world,
            break_permanently=town.unreachable_by_scope,
            break_briefly=lambda: in_condition(trial.site, Condition.DOWN),
            untrue=lambda: in_condition(trial.site, Condition.MAINTENANCE),
            secrets=list(SECRETS.values()),
            tag=TAG,
        )


SAID: dict[Condition, dict[str, str]] = {
    Condition.DOWN: {"": "Connection refused"},
    Condition.PARKED: {
        "webdav": "could not be shown: the server answered 200; expected 207",
        "nextcloud": "This domain may be for sale",
        "onlyoffice": "expected true",
        "collabora": "expected XML without a document type",
        "cryptpad": "expected CryptPad's configuration",
        "meet": "expected a JSON object",
        "livekit": "answered 200; expected 101",
        "jitsi": "expected Jitsi's settings with hosts.domain",
    },
    Condition.MAINTENANCE: {
        "webdav": "answered 503 (the server is not available, perhaps in maintenance)",
        "nextcloud": "Nextcloud is in maintenance mode; expected maintenance: false",
        "onlyoffice": "answered 'false'; expected true",
        "": "answered 503; expected",
    },
    Condition.WRONG_CERTIFICATE: {"": "certificate is not valid for"},
    Condition.READ_ONLY: {
        "webdav": "could not be written: the server answered 403 (the user may not do that there); expected 200 or 201",
        "onlyoffice": "answered 403; expected 200",
        "collabora": "offers no editing of odt, ods, odp, docx",
        "cryptpad": "answered 403 to a websocket; expected 101",
        "meet": "answered 500; expected 200",
        "livekit": "answered 503; expected 101",
        "jitsi": "answered 403; expected 200",
    },
}
"""What each check says of each condition; an empty name stands for all others."""

UNSEEN = {("nextcloud", Condition.READ_ONLY)}
"""Its status and its users do not tell that files can't be written: that is what `probe.webdav` is for."""

WRONG = [
    (kind, condition)
    for kind in TRIALS
    for condition in Condition
    if condition is not Condition.HEALTHY and (kind, condition) not in UNSEEN
]
SOME = sampled(WRONG, lambda one: one[0] == "nextcloud" or one[1] in (Condition.MAINTENANCE, Condition.READ_ONLY))
"""Every condition at one product, and at each product two that it says something of its own of."""


@pytest.mark.parametrize(("kind", "condition"), SOME)
def test_what_is_wrong_is_said(town: Town, kind: str, condition: Condition) -> None:
    trial = town.trial(kind)
    assert trial.apply(town).presence is Presence.ALREADY
    with in_condition(trial.site, condition), refused() as caught:
        trial.apply(town)
    said = SAID[condition]
    assert said.get(kind, said.get("", "")) in caught.value.message
    assert caught.value.message.endswith(".")
    assert not caught.value.permanent
    assert [secret for secret in SECRETS.values() if secret in everything_said(caught.value)] == []
    assert trial.apply(town).presence is Presence.ALREADY


@pytest.mark.parametrize("kind", TRIALS)
def test_a_look_writes_nothing_and_an_attempt_leaves_nothing(town: Town, kind: str) -> None:
    trial = town.trial(kind)
    world = trial.world()
    writes = _writes(trial)
    assert trial.look(town).presence is Presence.ALREADY
    assert _writes(trial) == writes
    assert trial.apply(town).presence is Presence.ALREADY
    assert trial.world() == world


def _writes(trial: Trial) -> int:
    """Requests so far that change files, and participants let in."""
    if isinstance(trial.service, Nextcloud):
        return sum(home.writes for home in trial.service.homes.values())
    return len(getattr(trial.service, "joined", ()))
