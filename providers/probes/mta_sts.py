"""The policy by which a domain tells senders which MX hosts are its own, and to insist on TLS (RFC 8461)."""

from dataclasses import dataclass

from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.probes.web_call import call
from providers.wants import MtaStsProbe

MOST_BYTES = 65536
"""RFC 8461 §3.3."""


@dataclass(frozen=True, slots=True)
class Policy:
    """`mode`: enforce, testing or none. `mx`: host names, or `*.` and the end of host names."""

    mode: str
    mx: tuple[str, ...]

    def allows(self, host: str) -> bool:
        """A wildcard stands for one label (RFC 8461 §4.1)."""
        return any(host == one or (one.startswith("*.") and host.partition(".")[2] == one[2:]) for one in self.mx)


class MtaStsCheck(Check[MtaStsProbe]):
    """`probe.mta-sts`. Outputs: `id`, `mode` and `mx` of the policy; all empty where the domain has none."""

    def _look(self, want: MtaStsProbe, attempt: Attempt) -> Seen:
        told = _id(want.domain, attempt)
        if not told:
            return Seen(f"{want.domain} has no MTA-STS, so no policy needs a change.", {"id": "", "mode": "", "mx": []})
        policy = _policy(want.domain, attempt)
        outputs = {"id": told, "mode": policy.mode, "mx": list(policy.mx)}
        if policy.mode == "none":
            return Seen(f"The MTA-STS policy of {want.domain} has mode none: it binds no sender.", outputs)
        left_out = [host for host in want.mx if not policy.allows(host.lower().removesuffix("."))]
        if left_out:
            raise DoesNotHoldError(
                f"The MTA-STS policy of {want.domain} (mode {policy.mode}) lists {', '.join(policy.mx) or 'no MX'} and "
                f"not {', '.join(left_out)}; add that to https://mta-sts.{want.domain}/.well-known/mta-sts.txt first."
            )
        return Seen(f"The MTA-STS policy of {want.domain} (mode {policy.mode}) lists {', '.join(want.mx)}.", outputs)


def _id(domain: str, attempt: Attempt) -> str:
    """The id in the domain's record; empty when there is no valid record, or more than one (RFC 8461 §3.1)."""
    texts = [text.decode("latin-1") for text in attempt.names.texts(f"_mta-sts.{domain}")]
    records = [text for text in texts if text.partition(";")[0].strip() == "v=STSv1"]
    return _field(records[0], "id") if len(records) == 1 else ""


def _field(text: str, name: str) -> str:
    pairs = (part.partition("=") for part in text.split(";"))
    return next((value.strip() for key, _, value in pairs if key.strip() == name), "")


def _policy(domain: str, attempt: Attempt) -> Policy:
    """Raises DoesNotHoldError when there is none that a sender would take."""
    url = f"https://mta-sts.{domain}/.well-known/mta-sts.txt"
    answer = call(attempt, "GET", url, most_bytes=MOST_BYTES).expect(200)
    pairs = [
        (key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in answer.text.splitlines())
    ]
    said = dict(reversed(pairs))
    if said.get("version") != "STSv1" or said.get("mode") not in ("enforce", "testing", "none"):
        raise DoesNotHoldError(f"{answer.at} is no MTA-STS policy: it begins {answer.words}; correct the file.")
    hosts = tuple(value.lower().removesuffix(".") for key, value in pairs if key == "mx")
    return Policy(said["mode"], hosts)
