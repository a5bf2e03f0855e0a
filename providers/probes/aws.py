"""An access key that AWS knows: the token service says whose it is. No permission is needed for it, and none can be
taken away, so only a key that is gone or an account that is cut off is refused.

https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
"""

from datetime import UTC, datetime

from providers.base import ProviderError
from providers.probes.api_answer import require
from providers.probes.aws_signature import signed
from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.probes.plain_xml import xml
from providers.probes.web_answer import Answer
from providers.probes.web_call import call, parsed
from providers.wants import AwsProbe

BODY = b"Action=GetCallerIdentity&Version=2011-06-15"
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
OURS = frozenset({"SignatureDoesNotMatch", "RequestExpired", "IncompleteSignature"})
"""Codes by which AWS says that the request was wrongly signed: the secret, or the clock of this machine."""
REMEDY = "see in the console whether the key and the account are active"


class AwsCheck(Check[AwsProbe]):
    """`probe.aws`. Outputs: `account` (its number), `arn` (of who holds the key)."""

    def _look(self, want: AwsProbe, attempt: Attempt) -> Seen:
        url = parsed(want.url or f"https://sts.{want.region}.amazonaws.com/")
        headers = signed(
            "POST",
            url,
            FORM,
            BODY,
            key=attempt.context.reveal(want.access_key),
            secret=attempt.context.reveal(want.secret_key),
            region=want.region,
            service="sts",
            at=datetime.fromtimestamp(attempt.context.clock(), UTC),
        )
        answer = call(attempt, "POST", url, headers=headers, body=BODY)
        _require_well_signed(answer)
        require(answer, "AWS's token service", 200, remedy=REMEDY)
        account, arn = _text(answer, "Account"), _text(answer, "Arn")
        if not account:
            raise DoesNotHoldError(f"{answer.at} answered {answer.words}; expected an account.", said=answer.said)
        return Seen(f"AWS knows the key as {arn} of account {account}.", {"account": account, "arn": arn})


def _require_well_signed(answer: Answer) -> None:
    """Raises ProviderError(permanent), as a fault of ours, when it was not: 403 is then no refusal."""
    if answer.status == 403 and (code := _text(answer, "Code")) in OURS:
        raise ProviderError(
            f"AWS at {answer.url.host} says {code}: correct the secret key, or the clock of this machine.",
            permanent=True,
        )


def _text(answer: Answer, name: str) -> str:
    try:
        return (xml(answer).findtext(f".//{{*}}{name}") or "").strip()
    except DoesNotHoldError:
        return ""
