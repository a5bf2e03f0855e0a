"""The catalogue's mail moves as plans: the steps of a target's recipe, with everything that a person would give."""

from functools import cache
from pathlib import Path

from orchestrator.catalogue_files import shipped
from orchestrator.domain.bundle import read_bundle
from orchestrator.domain.compiler import compile_plan
from orchestrator.domain.plan import Plan, PlannedStep
from providers.wants import Records, Ttl

CASES = Path(__file__).parent / "cases" / "estate"
RUNBOOK = "runbooks/web-failover.yaml"
DOMAIN = "trial.example"
TARGETS = {
    "mailo": "{verification: abc123, dkim: v=DKIM1; p=AAAA, canary: canary@trial.example}",
    "protonmail": "{verification: abc123, dkim: dabcdef, canary: canary@trial.example}",
    "tutanota": "{verification: abc123, canary: canary@trial.example}",
    "postfix-dovecot": "{host: mx.europe.example, client_host: imap.europe.example, dkim: v=DKIM1; p=AAAA, "
    "canary: canary@trial.example}",
}
"""Every mail target, and its settings."""


@cache
def mail_plan(target: str, settings: str = "") -> Plan:
    """A move of the mail of one domain away from Microsoft 365."""
    files = {str(path.relative_to(CASES)): path.read_bytes() for path in CASES.rglob("*") if path.is_file()}
    step = f"""
  moves:
    uses: endpoint.swap
    with:
      to: {target}
      from: microsoft-365
      domain: {DOMAIN}
      settings: {settings or TARGETS[target]}
"""
    files[RUNBOOK] = files[RUNBOOK].rstrip() + step.encode()
    bundle, problems = read_bundle(files, shipped())
    assert bundle is not None, problems
    return compile_plan(bundle, commit="c" * 40, services=["web"], scope="drill")


def mail_steps(target: str, settings: str = "") -> list[PlannedStep]:
    """The steps of the move alone, in a plan's order."""
    return [step for step in mail_plan(target, settings).steps if step.id.startswith("web-failover/moves/")]


@cache
def dns_wishes(target: str) -> tuple[tuple[str, Records | Ttl], ...]:
    """The DNS steps of the move by name, in their order."""
    models: dict[str, type[Records] | type[Ttl]] = {"dns.records": Records, "dns.ttl": Ttl}
    steps = [step for step in mail_steps(target) if step.uses in models]
    return tuple((step.id.rpartition("/")[2], models[step.uses].model_validate(step.with_)) for step in steps)
