"""A Nextcloud that is installed, up to date and not in maintenance, and where somebody can sign in.

What it answers is read as its source and its developer manual say: `status.php`; "OCS APIs"; and "Maintenance Mode"
of the client API manual.
"""

from typing import Any

from providers.base import Secret
from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.probes.place import below
from providers.probes.web_answer import Answer
from providers.probes.web_call import basic, call
from providers.wants import NextcloudProbe

OCS_OK = 100
OCS_UNAUTHORISED = 997


class NextcloudCheck(Check[NextcloudProbe]):
    """`probe.nextcloud`. Outputs: `version`, and with a user its `user` (the id that it has there)."""

    def _look(self, want: NextcloudProbe, attempt: Attempt) -> Seen:
        answer = call(attempt, "GET", below(want.url, "status.php"))
        version = _version(answer)
        if want.user is None or want.password is None:
            return Seen(f"{answer.at} is Nextcloud {version}, in service.", {"version": version})
        user = _signed_in(want.url, want.user, want.password, attempt)
        return Seen(
            f"{answer.at} is Nextcloud {version}, in service; {user} can sign in.", {"version": version, "user": user}
        )


def _version(answer: Answer) -> str:
    """The version in service. Raises DoesNotHoldError when it is not installed, in maintenance or half upgraded."""
    status = _outside_maintenance(answer).expect(200).json()
    if "installed" not in status or "maintenance" not in status:
        raise DoesNotHoldError(f"{answer.at} answered {answer.words}; expected the status of a Nextcloud.")
    if status["installed"] is not True:
        raise DoesNotHoldError(f"{answer.at} says that Nextcloud is not installed; expected installed: true.")
    if status["maintenance"] is not False:
        raise DoesNotHoldError(f"{answer.at} says that Nextcloud is in maintenance mode; expected maintenance: false.")
    if status.get("needsDbUpgrade") is True:
        raise DoesNotHoldError(
            f"{answer.at} says that Nextcloud's database must still be upgraded; expected needsDbUpgrade: false."
        )
    return str(status.get("versionstring") or status.get("version") or "of an unknown version")


def _signed_in(base: str, user: str, password: str, attempt: Attempt) -> str:
    """The id of the user, as the server knows it. The HTTP status says nothing: the body's `statuscode` does."""
    headers: dict[str, str | Secret] = {
        "Authorization": basic(attempt.context, user, password),
        "OCS-APIRequest": "true",
        "Accept": "application/json",
    }
    answer = _outside_maintenance(
        call(attempt, "GET", f"{below(base, 'ocs', 'v1.php', 'cloud', 'user')}?format=json", headers=headers)
    )
    code, data = _unwrapped(answer)
    if code == OCS_UNAUTHORISED:
        raise DoesNotHoldError(
            f"{answer.at} does not let {user} in (statuscode 997): user or password are wrong; expected 100."
        )
    if code != OCS_OK or not isinstance(data, dict) or not data.get("id"):
        raise DoesNotHoldError(f"{answer.at} answered statuscode {code} for {user}; expected 100 and the user's data.")
    return str(data["id"])


def _unwrapped(answer: Answer) -> tuple[object, Any]:
    """The status code and the data of OCS's envelope."""
    envelope = answer.json().get("ocs")
    meta = envelope.get("meta") if isinstance(envelope, dict) else None
    if not isinstance(envelope, dict) or not isinstance(meta, dict) or "statuscode" not in meta:
        raise DoesNotHoldError(f"{answer.at} answered {answer.words}; expected an answer of Nextcloud's OCS API.")
    return meta["statuscode"], envelope.get("data")


def _outside_maintenance(answer: Answer) -> Answer:
    if answer.status == 503 and answer.headers.get("x-nextcloud-maintenance-mode") == "1":
        raise DoesNotHoldError(f"{answer.at} says that Nextcloud is in maintenance mode (503); expected it in service.")
    return answer
