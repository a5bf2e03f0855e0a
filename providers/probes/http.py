"""A page that answers with the expected status and text."""

from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.probes.web_answer import Answer
from providers.probes.web_call import MOST_BYTES, call
from providers.wants import HttpProbe

MOST_REDIRECTS = 5


class HttpCheck(Check[HttpProbe]):
    """`probe.http`. Outputs: `status`, `url` (after redirects on the same host), `address`."""

    def _look(self, want: HttpProbe, attempt: Attempt) -> Seen:
        redirects = 0 if 300 <= want.status < 400 else MOST_REDIRECTS
        return _judged(call(attempt, "GET", want.url, redirects=redirects), want)


def _judged(answer: Answer, want: HttpProbe) -> Seen:
    answer.expect(want.status)
    if want.contains is not None and want.contains not in answer.text:
        where = f"the first {MOST_BYTES} bytes of {answer.at}" if answer.cut else answer.at
        raise DoesNotHoldError(f"{where} does not contain {want.contains!r}.", said=answer.said)
    return Seen(
        f"{answer.at} answered {answer.status}.",
        {"status": answer.status, "url": str(answer.url), "address": answer.address},
    )
