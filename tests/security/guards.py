# ruff: noqa: E501 - what stands in a file is shown as it stands there
"""The guards that the attacks of tests/security run into, each with what takes it away and the test that then fails."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Guard:
    """`old` stands in `file` exactly once, and `new` in its place removes the guard; `test` turns red without it."""

    row: int
    name: str
    file: str
    old: str
    new: str
    test: str


_36 = "tests/security/test_36_approval_races.py::"
_37 = "tests/security/test_37_self_approval.py::"
_38 = "tests/security/test_38_kill_switch.py::"
_41 = "tests/security/test_41_play_values_are_data.py::"
_42 = "tests/security/test_42_hostile_address.py::"
_43 = "tests/security/test_43_hostile_repository.py::"
_44 = "tests/security/test_44_estate_trust.py::"
_45 = "tests/security/test_45_hostile_content.py::"
_46 = "tests/security/test_46_role_matrix.py::"
_47 = "tests/security/test_47_forged_requests.py::"
_39 = "tests/security/test_39_blast_radius.py::"
_40 = "tests/security/test_40_drill_against_live.py::"
_48 = "tests/security/test_48_ssrf.py::"
_49 = "tests/security/test_49_webhook_abuse.py::"
_51 = "tests/security/test_51_audit_tampering.py::"
_52 = "tests/security/test_52_play_contained.py::"
_KEYS = "tests/integration/test_security_keys.py::"
_SIGN_IN = "tests/integration/test_people_sign_in.py::"
_GLASS = "tests/integration/test_break_glass.py::"
_ADMITTED = "tests/integration/test_people_admitted.py::"
_MATRIX = _46 + "test_every_caller_gets_through_where_the_table_says_so_and_nowhere_else[0]"

AUTHORITY = "orchestrator/domain/authority.py"
ACTOR = "orchestrator/domain/people/actor.py"
ROLE = "orchestrator/domain/people/role.py"
STANDING = "orchestrator/domain/people/standing.py"
PEOPLE = "orchestrator/operations/people/"
GATE = "orchestrator/web/edge/gate.py"
GIT = "orchestrator/estate_git.py"
TRUST = "orchestrator/operations/trust.py"

GUARDS = (
    # 36: races and replays of approvals
    Guard(
        36, "a person counts once", AUTHORITY,
        "    if person in {_same(name) for name in given}:", "    if False:",
        _36 + "test_many_who_release_at_once_are_exactly_so_many_distinct_people[sqlite]",
    ),
    Guard(
        36, "a release names the plan's digest", "orchestrator/operations/runs.py",
        "if journal.row.plan_digest != digest:", "if False:", _36 + "test_a_stale_digest_releases_nothing[sqlite]",
    ),
    Guard(
        36, "a session that was signed out is none", PEOPLE + "sign_in.py",
        "            if not sessions.end_session(conn, session_id, actor.name):", "            if False:",
        _36 + "test_the_same_person_the_same_session_and_an_ended_session_add_nothing[sqlite]",
    ),
    Guard(
        36, "an answer of a key counts once", "orchestrator/store/sessions.py",
        "    query = sa.delete(challenges).where(challenges.c.hash == hashed(secret)).returning(challenges)\n",
        "    query = sa.select(challenges).where(challenges.c.hash == hashed(secret))\n",
        _KEYS + "test_an_answer_counts_once_for_one_purpose_one_person_and_one_subject",
    ),
    Guard(
        36, "an answer is for one purpose", PEOPLE + "security_key.py",
        "(row.person, row.purpose) != (person, purpose)", "row.person != person",
        _KEYS + "test_a_question_of_an_enrolment_signs_nobody_in",
    ),
    Guard(
        36, "a key signs the digest itself", PEOPLE + "security_key.py",
        '    return hashlib.sha256(f"{_WORD}\\n{digest}\\n{nonce}\\n".encode()).digest()',
        '    return hashlib.sha256(f"{_WORD}\\n{nonce}\\n".encode()).digest()',
        _KEYS + "test_an_approval_by_key_is_proved_by_what_is_kept_of_it_alone",
    ),
    Guard(
        36, "who has a key approves with it", PEOPLE + "approvals.py",
        "        if not sessions.keys_of(conn, name):", "        if True:",
        _KEYS + "test_who_has_a_key_approves_with_it_and_not_without",
    ),
    Guard(
        36, "a key counts upwards", PEOPLE + "security_key.py",
        "if (counter or row.counter) and counter <= row.counter:", "if counter and counter <= row.counter:",
        _KEYS + "test_a_key_that_counts_backwards_is_a_copy",
    ),
    Guard(
        36, "a key answers to our origin", PEOPLE + "security_key.py",
        "return secure and parts.hostname == self.host", "return True",
        _KEYS + "test_a_forged_answer_signs_nobody_in_and_approves_nothing",
    ),
    Guard(
        36, "a key's person is verified", PEOPLE + "security_key.py",
        '"user_verification": UserVerificationRequirement.REQUIRED}',
        '"user_verification": UserVerificationRequirement.DISCOURAGED}',
        _KEYS + "test_a_forged_answer_signs_nobody_in_and_approves_nothing",
    ),
    # 37: approving what one asked for
    Guard(
        37, "who asked does not approve", AUTHORITY, "    if person == _same(requester):", "    if False:",
        _37 + "test_the_requester_is_the_requester_under_every_spelling",
    ),
    Guard(
        37, "spellings of a name are one person", AUTHORITY,
        'folded = " ".join(name.split()).casefold()', "folded = name",
        _37 + "test_the_requester_is_the_requester_under_every_spelling",
    ),
    Guard(
        37, "sealed codes are one person", AUTHORITY,
        "return BREAK_GLASS if folded.startswith(BREAK_GLASS) else folded", "return folded",
        _37 + "test_sealed_codes_are_one_person_whichever_bundle_they_are_of",
    ),
    Guard(
        37, "people act in their own name", "orchestrator/web/edge/authority.py",
        "    if said is not None and said.casefold() != actor.name.casefold():", "    if said is not None:\n        return said\n    if False:",
        _37 + "test_who_asked_for_a_run_releases_it_under_no_name",
    ),
    Guard(
        37, "a role that was taken voids", STANDING,
        "    return standing.may_approve(services)\n", "    return True\n",
        "tests/unit/test_people_standing.py::test_whoever_may_approve_no_more_has_not_approved",
    ),
    Guard(
        37, "whatever was changed voids", STANDING,
        "if standing is None or one.revision != standing.revision:", "if standing is None:",
        _37 + "test_factors_that_were_reset_void_the_release_and_giving_the_role_back_does_not_revive_it",
    ),
    Guard(
        37, "releases are looked at again", "orchestrator/operations/runs.py",
        "                self._void_releases(journal)\n", "", _37 + "test_a_role_that_was_taken_voids_the_release",
    ),
    Guard(
        37, "approvals at hold points are looked at again", "orchestrator/operations/decisions.py",
        "        for name in self._approvals.voided(conn, mode, known, services, self._progress.clock()):",
        "        for name in list[str]():", _37 + "test_at_a_hold_point_as_well",
    ),
    Guard(
        37, "approvals of proposals are looked at again", "orchestrator/operations/proposal_release.py",
        "            for name in self._void(conn, row, mode):", "            for name in list[str]():",
        "tests/integration/test_proposals.py::test_whoever_was_changed_after_their_approval_has_not_approved",
    ),
    Guard(
        37, "a hold point needs a person's yes whatever role it names", "orchestrator/web/edge/authority.py",
        "    if approves and proves_people(mode):", "    if False:",
        _37 + "test_a_token_and_an_old_session_approve_nothing_not_even_where_an_operator_is_asked",
    ),
    Guard(
        37, "a guarded role waits", PEOPLE + "register.py",
        "counts = alone or grant.role not in GUARDED", "counts = True",
        _37 + "test_a_guarded_role_waits_for_a_second_person_who_is_neither_giver_nor_taker",
    ),
    Guard(
        37, "the second person is another one", PEOPLE + "register.py",
        "            if by in (name, found.granted_by):", "            if False:",
        _37 + "test_a_guarded_role_waits_for_a_second_person_who_is_neither_giver_nor_taker",
    ),
    Guard(
        37, "putting others out makes nobody alone", PEOPLE + "second_person.py",
        "    if people.get(conn, by) is not None:", "    if False:",
        _37 + "test_putting_the_others_out_makes_no_admin_alone",
    ),
    Guard(
        37, "an invitation puts roles in doubt", PEOPLE + "register.py",
        "        if another or not is_alone(conn, by, name):", "        if not is_alone(conn, by, name):",
        _37 + "test_who_takes_over_another_by_an_invitation_cannot_confirm_with_it",
    ),
    Guard(
        37, "sealed codes wait for a second person", PEOPLE + "break_glass.py",
        "row.expires_at > now and row.confirmed_by is not None", "row.expires_at > now",
        _37 + "test_codes_that_an_admin_sealed_alone_open_nothing_until_another_agrees",
    ),
    Guard(
        37, "who agrees to sealed codes agrees to those", PEOPLE + "break_glass.py",
        "row for row in waiting if row.bundle == bundle", "row for row in waiting",
        _37 + "test_agreeing_to_sealed_codes_agrees_to_no_others_that_took_their_place",
    ),
    Guard(
        37, "a program approves nothing", "orchestrator/store/people.py",
        "query = query.where(~people.c.program).order_by", "query = query.order_by",
        _37 + "test_a_program_neither_approves_nor_manages",
    ),
    # 38: the kill switch in mid-wave
    Guard(
        38, "a claim asks for a halt", "orchestrator/store/journal.py",
        "        return not self.halted()\n", "        return True\n",
        _38 + "test_every_claim_asks_and_pauses_what_the_halt_itself_did_not_reach",
    ),
    Guard(
        38, "nothing is resumed while halted", "orchestrator/operations/decisions.py",
        '            require_free(journal.connection)\n            if not journal.run.paused:', "            if not journal.run.paused:",
        _38 + "test_people_still_decide_but_nothing_is_begun",
    ),
    # 41: values of plays are data
    Guard(
        41, "values are marked as data", "providers/ansible/private.py",
        'return {"__ansible_unsafe": value}', "return value", _41 + "test_values_outputs_and_facts_are_data",
    ),
    # 42: hostile addresses
    Guard(
        42, "an address has a known form", GIT,
        'if not _URL.fullmatch(url) or "::" in url:', "if False:",
        _42 + "test_hostile_addresses_are_refused_before_git_sees_them",
    ),
    Guard(
        42, "a branch has a known form", GIT,
        'if not _BRANCH.fullmatch(branch) or ".." in branch:', "if False:", _42 + "test_hostile_branches_are_refused",
    ),
    Guard(
        42, "git has no other transports", GIT, '    "protocol.allow=never",\n', "",
        _42 + "test_git_itself_is_told_to_use_no_other_transport",
    ),
    Guard(
        42, "settings of this machine do not count", GIT, '"HOME": "/nonexistent", "LC_ALL": "C"}', '"LC_ALL": "C"} | os.environ',
        _42 + "test_settings_of_who_runs_it_and_of_the_machine_do_not_count",
    ),
    # 43: hostile repositories
    Guard(
        43, "links and submodules are refused", GIT, 'if mode not in ("100644", "100755"):', "if False:",
        _43 + "test_links_are_refused_by_name",
    ),
    Guard(
        43, "paths that lead elsewhere are refused", GIT, "            if not _is_safe(path):", "            if False:",
        _43 + "test_names_that_lie_or_do_not_fit_are_refused",
    ),
    Guard(
        43, "what is fetched is looked at", GIT,
        '    "fetch.fsckObjects=true",\n    "transfer.fsckObjects=true",\n', "",
        _43 + "test_an_object_that_is_broken_does_not_come_in",
    ),
    # 44: who signed the estate
    Guard(
        44, "a commit is signed", TRUST,
        '        raise Untrusted(\n            f"The estate\'s commit {commit[:SHORT]} {faults[0]}.',
        '        return Signature((), "")\n        raise Untrusted(\n            f"The estate\'s commit {commit[:SHORT]} {faults[0]}.',
        _44 + "test_an_unsigned_commit_is_refused",
    ),
    Guard(
        44, "a history is not rewritten", TRUST, "        if self._mirror.descends(commit, accepted):\n            return\n",
        "        return\n", _44 + "test_a_branch_that_was_wound_back_is_refused_though_all_of_it_is_signed",
    ),
    Guard(
        44, "two people sign policy", TRUST, "        if pair is None:\n            raise", "        if False:\n            raise",
        _44 + "test_a_change_of_policy_needs_a_second_person",
    ),
    Guard(
        44, "two keys of one person are one", "orchestrator/domain/trust.py",
        "return one.key != other.key and names.isdisjoint(name.casefold() for name in other.principals)",
        "return one.key != other.key",
        _44 + "test_one_person_with_two_keys_or_one_key_with_two_names_is_one",
    ),
    Guard(
        44, "replaced objects are not read", GIT, '"GIT_NO_REPLACE_OBJECTS": "1", ', "",
        _44 + "test_a_replaced_object_is_not_what_is_read",
    ),
    # 45: hostile content
    Guard(
        45, "a file stands for no more than it may", "orchestrator/domain/yaml_text.py",
        "        if self._nodes > MAX_NODES:", "        if False:",
        _45 + "test_hostile_yaml_is_refused_at_its_line_in_bounded_time",
    ),
    Guard(
        45, "a repository is not read past its bound", GIT,
        "        if total > MAX_BYTES:", "        if False:",
        _45 + "test_a_file_of_100_megabytes_is_refused_before_it_is_read",
    ),
    Guard(
        45, "a fetch is bounded", GIT, "        command = [*_BOUNDED, *command] if bounded else command\n", "",
        _45 + "test_a_fetch_that_brings_too_much_is_cut_off_and_leaves_nothing",
    ),
    # 46: roles and routes
    Guard(
        46, "a route asks for its permission", "orchestrator/web/edge/authority.py",
        "    require(given, found.actor, permission, services, mode)\n", "", _MATRIX,
    ),
    Guard(
        46, "a password alone enrols and does nothing else", ACTOR,
        "        if self.proof is Proof.PASSWORD:", "        if False:", _MATRIX,
    ),
    Guard(
        46, "a role for one service is for that one", ROLE,
        "    return bool(services) and where.issuperset(services)", "    return bool(where)", _MATRIX,
    ),
    Guard(
        46, "nobody manages a part of the organisation", ROLE, "    if permission in WHOLE:", "    if False:", _MATRIX,
    ),
    Guard(
        46, "the installation's token drills nothing", ACTOR,
        "rehearses = permission in _MACHINE_REHEARSES and mode in (None, Mode.REHEARSAL)",
        "rehearses = permission in _MACHINE_REHEARSES", _MATRIX,
    ),
    Guard(
        46, "what is not one's own is hidden", "orchestrator/store/sessions.py",
        "sa.delete(sessions).where(sessions.c.id == session_id, sessions.c.person == person)",
        "sa.delete(sessions).where(sessions.c.id == session_id)",
        _46 + "test_what_belongs_to_one_person_is_nobody_elses",
    ),
    Guard(
        46, "a token is no more than its owner", PEOPLE + "sign_in.py",
        "return Actor(row.person, Proof.TOKEN, row.created_at, narrowed(given, own), row.id)",
        "return Actor(row.person, Proof.TOKEN, row.created_at, given, row.id)",
        _ADMITTED + "test_a_token_is_never_more_than_its_owner_and_follows_them_down",
    ),
    Guard(
        46, "a second factor grows old", ACTOR,
        "return self.proof is Proof.BREAK_GLASS or 0 <= now - self.proved_at <= FRESH", "return True",
        _SIGN_IN + "test_what_only_people_do_asks_for_a_factor_shown_just_now",
    ),
    Guard(
        46, "an old session enrols no factor", PEOPLE + "enrolment.py",
        "if actor.proof is Proof.PASSWORD or not actor.is_fresh(self._clock()):", "if actor.proof is Proof.PASSWORD:",
        _SIGN_IN + "test_an_old_session_gets_no_new_factor_and_so_is_not_made_fresh",
    ),
    Guard(
        46, "a code counts once", PEOPLE + "factors.py", "fresh = ahead or interval > last", "fresh = True",
        _SIGN_IN + "test_a_code_drifts_by_one_interval_and_counts_once",
    ),
    Guard(
        46, "who guesses waits", PEOPLE + "sign_in.py",
        "    if failures < FREE_TRIES:\n        return\n", "    return\n",
        _SIGN_IN + "test_after_five_wrong_tries_one_waits_ever_longer",
    ),
    Guard(
        46, "codes tried during the wait are counted", PEOPLE + "sign_in.py",
        "            if code and row.failures < GOES_PAST:", "            if False:",
        _SIGN_IN + "test_codes_tried_during_the_wait_are_counted_and_soon_none_goes_past_it",
    ),
    Guard(
        46, "who guesses at the same time waits as well", PEOPLE + "sign_in.py",
        "            _throttle(row, now)  # once more: others may have guessed at the same time\n", "",
        _SIGN_IN + "test_passwords_guessed_at_the_same_time_are_counted_before_any_of_them_counts",
    ),
    Guard(
        46, "a session ends", PEOPLE + "sign_in.py",
        "now < row.expires_at and now - used < IDLE", "now - used < IDLE",
        _SIGN_IN + "test_a_session_ends_when_it_is_not_used_and_at_last_in_any_case",
    ),
    Guard(
        46, "who is shut out is out", PEOPLE + "sign_in.py",
        "right and second and row.disabled_at is None and", "right and second and",
        _SIGN_IN + "test_who_is_shut_out_is_out_at_once_and_letting_them_in_revives_nothing",
    ),
    Guard(
        46, "an invitation is used once", "orchestrator/store/sessions.py",
        "    query = sa.delete(invitations).where(invitations.c.hash == hashed(secret)).returning(invitations)\n",
        "    query = sa.select(invitations).where(invitations.c.hash == hashed(secret))\n",
        _ADMITTED + "test_two_who_use_one_link_at_the_same_moment_are_one[sqlite]",
    ),
    Guard(
        46, "sealed codes are opened once", "orchestrator/store/sessions.py",
        "    return bool(conn.execute(query).all())", "    return True",
        _GLASS + "test_they_open_once_also_at_the_same_moment",
    ),
    Guard(
        46, "as many codes as are needed", PEOPLE + "break_glass.py",
        "if rows and len(rows) >= rows[0].needed and", "if rows and",
        _GLASS + "test_too_few_open_nothing",
    ),
    # 47: forged requests
    Guard(
        47, "a page shows its token", GATE,
        'return None if self._access.is_page_token(caller.cookie, given) else answer(problem(403, said, "forged"))',
        "return None", _47 + "test_a_cookie_alone_changes_nothing",
    ),
    Guard(
        47, "a request comes from this site", GATE, "        if not _is_of_this_site(request):", "        if False:",
        _47 + "test_a_cookie_alone_changes_nothing",
    ),
    Guard(
        47, "a request says where it comes from", GATE,
        'return request.headers.get("sec-fetch-site") == "same-origin"', "return True",
        _47 + "test_a_cookie_alone_changes_nothing",
    ),
    Guard(
        47, "the API takes no forms", GATE, "    def _wrong_kind(self, scope: Scope, body: bytes) -> Response | None:\n",
        "    def _wrong_kind(self, scope: Scope, body: bytes) -> Response | None:\n        return None\n",
        _47 + "test_what_a_form_can_send_the_api_does_not_take",
    ),
    Guard(
        47, "after signing in one stays here", "orchestrator/web/pages/sign_in_pages.py",
        '    if not wanted.startswith("/") or', "    if False and",
        _47 + "test_after_signing_in_one_stays_here",
    ),
    Guard(
        47, "nobody frames a page", "orchestrator/web/edge/answer_headers.py", "; frame-ancestors 'none'", "",
        _47 + "test_no_other_site_shows_us_in_a_frame_or_reads_along",
    ),
    Guard(
        47, "a session's cookie is for no script", "orchestrator/web/pages/sign_in_pages.py",
        'made.secret, httponly=True, samesite="strict"', 'made.secret, httponly=False, samesite="lax"',
        _47 + "test_cookies_are_for_this_site_alone_and_for_no_script",
    ),
    Guard(
        47, "the installation's cookie only looks", "orchestrator/web/edge/access.py",
        "return Caller(_MACHINE, cookie) if same and method in _READING else None",
        "return Caller(_MACHINE, cookie) if same else None",
        _47 + "test_the_cookie_of_the_installations_token_only_looks",
    ),
    # 39: a plan that touches too much
    Guard(
        39, "a plan over its limits does not start", "orchestrator/operations/plans.py",
        "        if found.excesses:", "        if False:",
        _39 + "test_a_plan_over_a_limit_says_so_and_is_not_started",
    ),
    # 40: a drill pointed at what is live
    Guard(
        40, "a secret is of its scope's mode", "orchestrator/store/secret_store.py",
        "        if kind != row.kind:", "        if False:",
        _40 + "test_a_live_scope_that_is_called_a_drill_has_no_live_secret",
    ),
    Guard(
        40, "a secret is sealed for its place", "orchestrator/store/sealing.py",
        "        if (form, for_scope, for_name) != (_FORM, scope, name):", "        if False:",
        _40 + "test_rows_of_the_database_are_moved_in_vain",
    ),
    # 48: requests that lead to this machine
    Guard(
        48, "special addresses are listed one by one", "providers/reach.py",
        "        if special is None:\n", "        if True:\n",
        _48 + "test_no_scope_reaches_a_special_address_that_it_does_not_list",
    ),
    Guard(
        48, "what a connection leads to is judged", "providers/reach.py",
        "        if not self.reach.holds(address):", "        if False:",
        _48 + "test_a_library_that_connects_by_itself_is_held",
    ),
    # 49: abuse of webhooks
    Guard(
        49, "a delivery is proven before it is read", "orchestrator/domain/signals/proof.py",
        'return bool(wanted) and hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())', "return True",
        _49 + "test_nothing_is_read_before_it_is_proven",
    ),
    Guard(
        49, "a delivery is not old", "orchestrator/domain/signals/proof.py",
        "return digits and abs(int(timestamp) - now) <= WINDOW", "return digits",
        _49 + "test_a_replayed_delivery_is_one",
    ),
    Guard(
        49, "a body is bounded", GATE, "    return too_large if read > most else None", "    return None",
        _49 + "test_chunks_without_an_end_are_cut_off",
    ),
    Guard(
        49, "who guesses is slowed", "orchestrator/web/edge/limits.py",
        "        return self._failed.spend(subscriber(address)) or None", "        return None",
        _49 + "test_guessing_is_slowed_and_those_who_prove_themselves_are_not",
    ),
    # 50: secrets in what is left behind
    Guard(
        50, "a service that dies leaves no memory", "orchestrator/cli/service_commands.py",
        "    forbid_core_files()\n", "",
        "tests/security/test_50_secret_canaries.py::test_no_canary_is_found_after_a_rehearsal_that_went_wrong",
    ),
    # 51: the audit edited
    Guard(
        51, "each entry is held against its hash", "orchestrator/domain/audit/examination.py",
        "        elif follows and link(self._hash, text) != entry.hash:", "        elif False:",
        _51 + "test_what_was_tampered_with_and_committed_is_found",
    ),
    Guard(
        51, "a chain ends where its row says", "orchestrator/domain/audit/examination.py",
        "        if length is None and self._seq:", "        if True:\n            return\n        if length is None and self._seq:",
        _51 + "test_a_chain_that_was_cut_contradicts_its_own_row_without_any_checkpoint",
    ),
    Guard(
        51, "a chain ends no sooner than a checkpoint saw", "orchestrator/domain/audit/examination.py",
        "        if longest is not None and longest.length > self._seq:", "        if False:",
        _51 + "test_a_thousand_tamperings_are_all_found",
    ),
    # 52: contained plays
    Guard(
        52, "a play shares nothing with this machine", "providers/ansible/sandbox.py",
        '    "--unshare-all",\n', "", _52 + "test_every_attempt_of_a_malicious_play_fails",
    ),
    Guard(
        52, "where it can't be contained it does not run", "providers/ansible/confinement.py",
        "    if not found.holds and context.contained:", "    if False:",
        _52 + "test_where_it_must_be_contained_it_is_refused_otherwise",
    ),
)  # fmt: skip
"""Rows without a guard here: see `tests.security.mutations`, which says so."""
