"""The links of a profile on a social network, changed field by field and compared before they are.

A profile carries no mark of who wrote it, so as with DNS the state before the intent is the proof: what is
wanted now and was not before is ours. The API replaces all fields at once, so the others are sent along
as they were read a moment before.
"""

from collections.abc import Iterable, Mapping

from providers.base import Context, Finding, JsonMap, Presence, ProviderError, Report, Tag
from providers.social.mastodon_api import Json, MastodonApi, fields_of
from providers.social.mastodon_session import signed_in
from providers.wants import Profile

Fields = list[tuple[str, str]]
"""Names and plain texts, in the order in which the profile shows them."""
Held = Mapping[str, str | None]
"""Name of a field -> its text; None when the profile has no such field."""


class MastodonProfile:
    """`social.profile` by Mastodon's API. Outputs: `url` of the profile, `fields`."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def observe(self, want: Profile, tag: Tag, before: JsonMap | None) -> Finding:
        with signed_in(self.context, want.account, tag) as api:
            account = api.account()
        return _found(want, account, before)

    def apply(self, want: Profile, tag: Tag, before: JsonMap, report: Report) -> Finding:
        with signed_in(self.context, want.account, tag) as api:
            account = api.account()
            found = _found(want, account, before)
            if found.presence is Presence.CONFLICT:
                raise ProviderError(
                    f"Nothing was changed: {found.message} Plan again from what is there.", permanent=True
                )
            if found.presence is not Presence.ABSENT:
                return found
            account = _write(api, want, account, _wanted(want))
        report(f"The profile of {want.account} has {', '.join(_wanted(want))}")
        return _found(want, account, before)

    def undo(self, want: Profile, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        if not effect:
            return Finding(Presence.ABSENT, message="The profile was not changed, so there is nothing to restore.")
        before, after = effect["before"], effect["after"]
        with signed_in(self.context, want.account, tag) as api:
            account = api.account()
            held = _held(after, fields_of(account))
            if others := sorted(name for name in after if held[name] not in (before[name], after[name])):
                return Finding(
                    Presence.CONFLICT,
                    message=f"People changed {', '.join(others)} in the profile of {want.account} since; "
                    "nothing was restored.",
                )
            if held != before:
                _write(api, want, account, before)
                report(f"The profile of {want.account} is as it was")
        return Finding(Presence.ABSENT, message=f"The profile of {want.account} is as it was before.")


def _wanted(want: Profile) -> dict[str, str | None]:
    return {one.name: one.value.strip() for one in want.fields}


def _held(names: Iterable[str], fields: Fields) -> dict[str, str | None]:
    """What the profile has under these names; of a name that is there twice, the first."""
    there = dict(reversed(fields))
    return {name: there.get(name) for name in names}


def _found(want: Profile, account: Json, before: JsonMap | None) -> Finding:
    wanted, held = _wanted(want), _held(_wanted(want), fields_of(account))
    values = {"fields": held}
    start = dict(before.get("fields", {})) if before is not None else None
    outputs = {"url": str(account.get("url") or ""), "fields": wanted}
    if held == wanted:
        if start is None or start == wanted:
            return Finding(
                Presence.ALREADY, values, outputs, message=f"The profile of {want.account} has these fields."
            )
        effect = {"before": start, "after": wanted}
        return Finding(Presence.OURS, values, outputs, effect, f"The profile of {want.account} has the new fields.")
    if start is None or held == start:
        changed = ", ".join(sorted(name for name in wanted if held[name] != wanted[name]))
        return Finding(Presence.ABSENT, values, message=f"Would change {changed} in the profile of {want.account}.")
    told = "; ".join(
        f"{name} was expected to be {_shown(start.get(name))} and is {_shown(held[name])}"
        for name in wanted
        if held[name] != start.get(name)
    )
    return Finding(Presence.CONFLICT, values, message=f"In the profile of {want.account} {told}.")


def _write(api: MastodonApi, want: Profile, account: Json, changes: Held) -> Json:
    """The account after the change. Raises ProviderError(permanent) when the server keeps it otherwise."""
    fields = _merged(fields_of(account), changes)
    most = api.most_fields()
    if len(fields) > most:
        raise ProviderError(
            f"The profile of {want.account} would have {len(fields)} fields, and its server takes {most}; "
            "take one away, or change one that is there.",
            permanent=True,
        )
    now = api.set_fields(fields)
    if fields_of(now) != fields:
        raise ProviderError(
            f"The server of {want.account} took the change and shows other fields than were sent; "
            "look at the profile, and set them by hand.",
            permanent=True,
            effect_possible=True,
        )
    return now


def _merged(fields: Fields, changes: Held) -> Fields:
    """The fields with the changes in their places; new ones come last, those that become None go."""
    left = dict(changes)
    merged: Fields = []
    for name, value in fields:
        changed = left.pop(name) if name in left else value
        if changed is not None:
            merged.append((name, changed))
    return merged + [(name, value) for name, value in left.items() if value is not None]


def _shown(value: object) -> str:
    return "absent" if value is None else repr(value)
