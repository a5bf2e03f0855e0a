"""Row 44: an unsigned, wrongly signed or older commit of the estate is refused, and the accepted one serves on."""

import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.domain.authority import Refused, check_estate
from orchestrator.domain.model import Mode
from orchestrator.domain.trust import is_trusted
from orchestrator.estate_git import EstateGitError
from orchestrator.operations.request import Conflict, RequestError
from orchestrator.operations.trust import Untrusted
from orchestrator.store import estates
from tests.security.estate_world import PORT, SHEET, World, write
from tests.signing_people import Person, signers_file
from tests.town_hall import commit_all, git
from tests.vendor_site import vendor_file

DAY = 86_400.0


def refused(village: World, why: str) -> str:
    """The newest commit is refused for this reason, and what was accepted serves on; the whole text."""
    with village.database.read() as conn:
        before = estates.history(conn)
    with pytest.raises(Untrusted, match=why) as error:
        village.sync()
    with village.database.read() as conn:
        assert estates.history(conn) == before
    if before:
        assert village.estates.newest() == before[0].commit
        assert village.estates.bundle(before[0].commit).runbooks
    assert village.estates.refusal is not None
    return str(error.value)


def day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y%m%d")


def test_a_signed_commit_of_an_allowed_person_is_accepted_and_says_whose_it_is(village: World) -> None:
    write(village.estate, runbook=PORT + "  # and again\n")
    commit = village.alice.commit(village.estate)
    assert village.estates.sync("test") == (commit, True)
    voucher = village.estates.accepted().voucher
    assert voucher is not None
    assert voucher.signature.principals == (village.alice.name,)
    assert voucher.signature.key == village.alice.fingerprint
    assert voucher.policy == ()
    assert village.estates.refusal is None


def test_an_unsigned_commit_is_refused(village: World) -> None:
    commit = commit_all(village.estate, "unsigned")
    said = refused(village, f"{commit[:12]} is not signed")
    assert "git commit --amend --no-edit -S" in said


def test_work_that_is_unsigned_is_vouched_for_by_who_signs_the_newest_commit(village: World) -> None:
    write(village.estate, runbook=PORT + "  # by a guest\n")
    commit_all(village.estate, "unsigned")
    assert village.bruno.commit(village.estate) == village.sync()


def test_a_key_that_nobody_allowed_is_refused_whatever_name_it_gives(village: World) -> None:
    village.mallory.name = village.alice.name
    village.mallory.commit(village.estate, "mine", "--author", f"Alice <{village.alice.name}>")
    refused(village, re.escape(village.mallory.fingerprint))


def changed_after_signing(stored: bytes) -> bytes:
    return stored + b"and one more line\n"


def committed_in_another_name(stored: bytes) -> bytes:
    return stored.replace(b"author Test", b"author Else")


def with_a_second_signature(stored: bytes) -> bytes:
    head, gap, message = stored.partition(b"\n\n")
    return head + b"\n" + head[head.index(b"gpgsig ") :] + gap + message


def with_another_kind_of_signature(stored: bytes) -> bytes:
    return stored.replace(b"SSH SIGNATURE", b"PGP SIGNATURE")


def cut_short(stored: bytes) -> bytes:
    lines = stored.split(b"\n")
    at = next(number for number, line in enumerate(lines) if line.startswith(b"gpgsig"))
    return b"\n".join(lines[: at + 2] + lines[at + 3 :])


@pytest.mark.parametrize(
    ("forge", "why"),
    [
        (changed_after_signing, "not one of Git's over this content"),
        (committed_in_another_name, "not one of Git's over this content"),
        (with_a_second_signature, "more than one signature"),
        (with_another_kind_of_signature, "not with an SSH key"),
        (cut_short, "not one of Git's over this content"),
    ],
)
def test_a_signature_that_is_not_of_this_commit_is_refused(
    forge: Callable[[bytes], bytes], why: str, village: World
) -> None:
    village.alice.commit(village.estate, "sound")
    village.push(forge(village.stored()))
    refused(village, why)


def test_a_signature_made_for_another_purpose_is_refused(village: World) -> None:
    """The namespace: what Alice signed as a file or a mail is no commit."""
    unsigned = village.stored(commit_all(village.estate, "x"))
    command = ["ssh-keygen", "-Y", "sign", "-n", "file", "-f", str(village.alice.key)]
    armor = subprocess.run(command, input=unsigned, capture_output=True, check=True).stdout.strip()
    head, gap, message = unsigned.partition(b"\n\n")
    village.push(head + b"\ngpgsig " + armor.replace(b"\n", b"\n ") + gap + message)
    refused(village, "not one of Git's")


def test_a_key_counts_only_for_the_purposes_and_days_that_the_file_gives_it(village: World) -> None:
    village.alice.commit(village.estate)
    bruno = village.bruno.line()
    village.allow(village.alice.line('namespaces="file"'), bruno)
    refused(village, "not an allowed one today")
    village.allow(village.alice.line(f'valid-before="{day(village.now - 2 * DAY)}"'), bruno)
    refused(village, "not an allowed one today")
    village.allow(village.alice.line(f'valid-after="{day(village.now + 2 * DAY)}"'), bruno)
    refused(village, "not an allowed one today")
    village.now += 3 * DAY
    village.sync()


def test_a_stolen_key_that_has_ended_gains_nothing_by_an_old_date(
    village: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    village.allow(village.alice.line(f'valid-before="{day(village.now - 5 * DAY)}"'), village.bruno.line())
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"{int(village.now - 30 * DAY)} +0000")
    village.alice.commit(village.estate)
    refused(village, "not an allowed one today")


def test_a_branch_that_was_wound_back_is_refused_though_all_of_it_is_signed(village: World) -> None:
    first = village.estates.newest()
    second = village.alice.commit(village.estate, "second")
    assert village.sync() == second
    git(village.estate, "reset", "--quiet", "--hard", first)
    said = refused(village, f"{first[:12]} does not come after {second[:12]}")
    assert "wound back to an older commit" in said
    assert f"bascule estate accept {first} --reason" in said
    third = village.alice.commit(village.estate, "beside the second")
    assert "rewritten history" in refused(village, third[:12])


def test_what_was_accepted_can_be_read_after_the_remote_has_forgotten_it(village: World) -> None:
    first = village.estates.newest()
    second = village.alice.commit(village.estate, "second")
    village.sync()
    git(village.estate, "reset", "--quiet", "--hard", first)
    write(village.estate, runbook=PORT + "  # other\n")
    village.alice.commit(village.estate, "other")
    refused(village, "rewritten history")
    subprocess.run(
        ["git", "-C", str(village.folder / "estate.git"), "gc", "--quiet", "--prune=now"], check=True, timeout=30
    )
    again = village.reading()
    assert again.bundle(second).runbooks


def test_a_person_lets_a_rewritten_history_in_and_goes_back_with_a_reason(village: World) -> None:
    first = village.estates.newest()
    second = village.alice.commit(village.estate, "second")
    village.sync()
    git(village.estate, "reset", "--quiet", "--hard", first)
    with pytest.raises(RequestError, match="reason"):
        village.estates.accept(first, "olga", " ")
    with pytest.raises(Conflict, match=first):
        village.estates.accept(second, "olga", "no, the other")
    with pytest.raises(Conflict, match="name that"):
        village.estates.accept(first[:6], "olga", "too short to be sure")
    assert village.estates.accept(first[:12], "olga", "the second was pushed by mistake") == (first, True)
    accepted = village.estates.accepted()
    assert (accepted.accepted_by, accepted.reason) == ("olga", "the second was pushed by mistake")
    assert accepted.previous == second
    assert village.estates.sync("timer") == (first, False)
    assert village.estates.newest() == first
    commit_all(village.estate, "unsigned")
    with pytest.raises(Untrusted, match="is not signed"):
        village.estates.accept(git(village.estate, "rev-parse", "HEAD").strip(), "olga", "signatures are still asked")


NETWORKS = SHEET.replace("127.0.0.0/8", "0.0.0.0/0")


def test_a_change_of_policy_needs_a_second_person(village: World) -> None:
    write(village.estate, sheet=NETWORKS)
    commit = village.alice.commit(village.estate, "reach everything")
    said = refused(village, "changes the policy")
    assert "scopes.rehearsal.networks" in said
    assert f"so far it has that of {village.alice.name}" in said
    typed = re.search(r"`(git fetch .*?)`", said)
    assert typed is not None
    village.alice.approve(village.estate)
    refused(village, "two people sign that")
    as_it_is_told = typed[1].split("&&")[1].replace("NAME", "bruno").split()[1:]
    village.bruno.git(village.estate, *as_it_is_told)
    assert village.sync() == commit
    voucher = village.estates.accepted().voucher
    assert voucher is not None
    assert {one.name for one in voucher.policy} == {village.alice.name, village.bruno.name}


@pytest.mark.every_day(
    "sheet0-files0-scopes.live", "sheet2-files2-policy", "sheet5-files5-catalogue/vendors/oldcloud.yaml"
)
@pytest.mark.parametrize(
    ("sheet", "files", "where"),
    [
        (SHEET + "  live: {mode: live}\n", {}, "scopes.live"),
        (SHEET.replace("mode: rehearsal", "mode: drill"), {}, "scopes.rehearsal.mode"),
        (SHEET + "policy: {sovereignty: {exceptions: []}}\n", {}, "policy"),
        (SHEET + "signals: {}\n", {}, "signals"),
        (SHEET.replace("8]}", "8], ssh: {key: 'secret://k'}}"), {}, "scopes.rehearsal.ssh"),
        (SHEET, {"catalogue/vendors/oldcloud.yaml": vendor_file()}, "catalogue/vendors/oldcloud.yaml"),
    ],
)
def test_what_counts_as_policy(sheet: str, files: dict[str, str], where: str, village: World) -> None:
    write(village.estate, sheet=sheet)
    for name, text in files.items():
        (village.estate / name).parent.mkdir(parents=True, exist_ok=True)
        (village.estate / name).write_text(text)
    village.alice.commit(village.estate)
    refused(village, re.escape(f"({where})"))


def test_a_file_that_a_scope_names_is_policy_too(village: World) -> None:
    """Who exchanges an authority's file exchanges the servers that it proves."""
    for sheet, text in ((SHEET.replace("8]}", "8], tls: {ca: pki/ca.pem}}"), "one"), ("", "another")):
        write(village.estate, sheet=sheet or (village.estate / "bascule.yaml").read_text())
        (village.estate / "pki").mkdir(exist_ok=True)
        (village.estate / "pki/ca.pem").write_text(text)
        village.alice.commit(village.estate)
        refused(village, re.escape("pki/ca.pem"))
        village.bruno.approve(village.estate)
        village.sync()


def test_comments_services_and_runbooks_are_no_policy(village: World) -> None:
    write(village.estate, sheet="# hello\n" + SHEET.replace("fr: Village", "fr: Bourg"), runbook=PORT + "# more\n")
    assert village.alice.commit(village.estate) == village.sync()


def test_who_builds_on_a_change_has_not_approved_it(village: World) -> None:
    """Mallory's way with Bruno's key: change, wait for an innocent commit on top, approve that."""
    write(village.estate, sheet=NETWORKS)
    village.bruno.commit(village.estate, "a small cleanup")
    write(village.estate, sheet=NETWORKS, runbook=PORT + "  # Alice's own work\n")
    village.alice.commit(village.estate, "a typo in the runbook")
    refused(village, f"so far it has that of {village.bruno.name}")
    village.bruno.approve(village.estate)
    refused(village, "two people sign that")
    village.alice.approve(village.estate)
    village.sync()


def test_an_approval_holds_while_others_go_on_working(village: World) -> None:
    write(village.estate, sheet=NETWORKS)
    changed = village.alice.commit(village.estate, "change")
    write(village.estate, sheet=NETWORKS, runbook=PORT + "  # meanwhile\n")
    later = village.alice.commit(village.estate, "meanwhile")
    village.bruno.approve(village.estate, changed)
    assert village.sync() == later


def test_an_approval_of_what_was_taken_back_does_not_count_again(village: World) -> None:
    write(village.estate, sheet=NETWORKS)
    changed = village.alice.commit(village.estate, "change")
    village.bruno.approve(village.estate, changed)
    write(village.estate)
    village.bruno.commit(village.estate, "no, not that")
    write(village.estate, sheet=NETWORKS)
    village.alice.commit(village.estate, "once more")
    refused(village, "two people sign that")


def test_a_merge_by_a_forge_is_approved_by_two_people(village: World) -> None:
    """The forge signs with a key of its own, which nobody allows."""
    git(village.estate, "checkout", "--quiet", "-b", "change")
    write(village.estate, sheet=NETWORKS)
    village.alice.commit(village.estate, "change")
    git(village.estate, "checkout", "--quiet", "main")
    village.mallory.git(village.estate, "merge", "--quiet", "--no-ff", "-S", "-m", "Merge request 7", "change")
    refused(village, re.escape(village.mallory.fingerprint))
    village.bruno.approve(village.estate)
    assert village.sync() == git(village.estate, "rev-parse", "main").strip()


@pytest.mark.every_day("approve/other")
@pytest.mark.parametrize("name", ["v1.0", "approve-else", "approve/other"])
def test_a_tag_of_another_name_or_commit_is_no_approval(name: str, village: World) -> None:
    """A tag that Bruno signed for something else is put under another name by who may push."""
    first = village.estates.newest()
    write(village.estate, sheet=NETWORKS)
    commit = village.alice.commit(village.estate)
    on = first if name == "approve/other" else commit
    village.bruno.approve(village.estate, on, name)
    stolen = git(village.estate, "rev-parse", f"refs/tags/{name}").strip()
    git(village.estate, "update-ref", "refs/tags/approve/stolen", stolen)
    refused(village, "two people sign that")


def test_one_person_with_two_keys_or_one_key_with_two_names_is_one(village: World, tmp_path: Path) -> None:
    second = Person(tmp_path / "second", "alice2")
    village.allow(village.alice.line(), second.line(name=village.alice.name.upper()), village.bruno.line())
    write(village.estate, sheet=NETWORKS)
    village.alice.commit(village.estate)
    second.approve(village.estate)
    refused(village, "two people sign that")
    village.allow(village.alice.line(), village.alice.line(name="carol@valbourg.example"), village.bruno.line())
    village.alice.approve(village.estate)
    refused(village, "two people sign that")


def test_the_first_commit_that_signatures_are_asked_of_is_new_policy_whole(new_village: World) -> None:
    new_village.alice.commit(new_village.estate)
    commit = new_village.sync()
    assert new_village.estates.accepted().voucher is None, "nobody asked for signatures"
    new_village.allow(new_village.alice.line())
    assert "names one person only" in refused(new_village, "first to be accepted by signatures")
    new_village.allow()
    refused(new_village, "first to be accepted by signatures")
    new_village.bruno.approve(new_village.estate)
    assert new_village.estates.sync("test") == (commit, False)
    voucher = new_village.estates.accepted().voucher
    assert voucher is not None
    assert is_trusted(voucher)


def test_without_a_signers_file_all_is_accepted_and_nothing_trusted(new_village: World) -> None:
    commit = commit_all(new_village.estate, "unsigned")
    assert new_village.sync() == commit
    voucher = new_village.estates.accepted().voucher
    assert not is_trusted(voucher)
    check_estate(Mode.REHEARSAL, voucher)
    check_estate(Mode.DRILL, voucher)
    with pytest.raises(Refused, match="unsigned"):
        check_estate(Mode.LIVE, voucher)


def test_a_live_run_may_stand_on_a_commit_that_was_signed(village: World) -> None:
    check_estate(Mode.LIVE, village.estates.accepted().voucher)


def test_a_signers_file_that_goes_away_lets_nobody_in(village: World) -> None:
    village.signers.unlink()
    commit = commit_all(village.estate, "unsigned")
    assert "put it back" in refused(village, "signers file is gone")
    assert village.estates.accept(commit, "olga", "we give signatures up") == (commit, True)
    assert village.estates.accepted().voucher is None
    assert commit_all(village.estate, "another") == village.sync()


def test_a_signers_file_that_was_named_must_be_there(new_village: World) -> None:
    new_village.estates = new_village.reading(named=True)
    commit_all(new_village.estate, "unsigned")
    refused(new_village, "can't be read")


def test_a_signers_file_that_others_may_write_or_push_is_not_believed(village: World) -> None:
    village.alice.commit(village.estate)
    village.signers.chmod(0o666)
    refused(village, "chmod go-w")
    village.signers = signers_file(village.estate / "signers", [village.mallory.line()])
    village.estates = village.reading(named=True)
    refused(village, "lies in the estate")


def test_an_empty_signers_file_allows_nobody(village: World) -> None:
    village.alice.commit(village.estate)
    village.allow("# nobody\n")
    refused(village, "not an allowed one today")


def test_a_replaced_object_is_not_what_is_read(village: World) -> None:
    """`refs/replace` in the mirror would show other content under an id that was signed."""
    commit = village.estates.newest()
    write(village.estate, runbook=PORT.replace("port: 9", "port: 99"))
    other = commit_all(village.estate, "other")
    git(village.estate, "update-ref", f"refs/replace/{commit}", other)
    mirror = village.folder / "estate.git"
    git(mirror, "fetch", "--quiet", str(village.estate), "+refs/replace/*:refs/replace/*", "main")
    assert "port: 99" in git(mirror, "show", f"{commit}:runbooks/port-failover.yaml"), "git itself is fooled"
    assert b"port: 9}" in village.mirror.files(commit)["runbooks/port-failover.yaml"]


def test_a_commit_that_is_not_there_is_an_error_and_no_answer(village: World) -> None:
    with pytest.raises(EstateGitError):
        village.mirror.commit_object("f" * 40)
