"""What a change of the estate's files means: services by their settings, runbooks by their steps."""

from orchestrator.domain.estate_changes import Changed, Meaning, meaning

SHEET = b"""
estate: town
services:
  desk: {vendor: aws, target: scaleway, rto: 4h}
  phone: {vendor: microsoft-365, target: mailo}
"""
RUNBOOK = b"""
runbook: desk-failover
service: desk
steps:
  look: {uses: probe.tcp, with: {host: a, port: 1}}
  go: {uses: human.approval, needs: [look]}
"""
DESK = "runbooks/desk-failover.yaml"


def test_services_are_told_by_their_settings() -> None:
    after = SHEET.replace(b"rto: 4h", b"rto: 2h, rpo: 1h").partition(b"  phone:")[0]
    found = meaning({"bascule.yaml": SHEET}, {"bascule.yaml": after + b"  mail: {vendor: x, target: y}\n"})
    assert found.services == (
        Changed("desk", "changed", ("rto", "rpo")),
        Changed("phone", "removed"),
        Changed("mail", "added"),
    )
    assert (found.runbooks, found.unread) == ((), ())


def test_runbooks_are_told_by_their_steps() -> None:
    after = RUNBOOK.replace(b"port: 1", b"port: 2").replace(b"service: desk", b"service: phone")
    after += b"  end: {uses: wait.for}\n"
    found = meaning({DESK: RUNBOOK, "runbooks/old.yaml": RUNBOOK}, {DESK: after, "runbooks/new.yaml": RUNBOOK})
    assert found.runbooks == (
        Changed("desk-failover", "changed", ("service", "steps.look", "steps.end")),
        Changed("new", "added"),
        Changed("old", "removed"),
    )


def test_comments_and_other_files_mean_nothing() -> None:
    spelled = RUNBOOK.replace(b"steps:", b"# a remark\nsteps:")
    found = meaning({DESK: RUNBOOK, "docs/a.md": b"x"}, {DESK: spelled, "runbooks/deep/er.yaml": RUNBOOK})
    assert found == Meaning((), (Changed("desk-failover", "changed"),), ())


def test_what_is_no_yaml_is_named_and_not_guessed_at() -> None:
    found = meaning({"bascule.yaml": SHEET, DESK: RUNBOOK}, {"bascule.yaml": b"a: [", DESK: b"\xff\x00"})
    assert found.unread == ("bascule.yaml", DESK)
