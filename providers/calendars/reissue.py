"""Meetings to come get a link of our own in place of a vendor's that is gone, and attendees are told of it.

The proof is a property of the meeting that names run and step. A meeting is only written over what was read a
moment before, and undo only writes over what this step wrote: what people changed since is left, and named.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from providers.base import HALTED, Context, Finding, JsonMap, Presence, ProviderError, Report, Tag
from providers.calendars.caldav import Calendar, Held
from providers.calendars.content import fingerprint, lines_of
from providers.calendars.itip import attendees_of, mail_of
from providers.calendars.kept import Kept
from providers.calendars.meeting_links import Links
from providers.calendars.reissued import Change, Standing, restored
from providers.dns.deadline import Deadline
from providers.mail_delivery import deliver, message_id, require_mail_settings
from providers.probes.check import Attempt, DoesNotHoldError
from providers.probes.resolver import Names, UnresolvedError
from providers.wants import Reissue

ROUNDS = 3
"""How often the calendar is read again because people changed meetings while they were being changed here."""
MOST_NAMED = 5


@dataclass
class _Seen:
    """The calendar's meetings to come, by how they stand."""

    dead: list[Held] = field(default_factory=list)
    ours: list[Held] = field(default_factory=list)
    others: list[Held] = field(default_factory=list)


class CalendarReissue:
    """`calendar.reissue` over CalDAV. Outputs: `events` with the new link; `told`: those of whose attendees know."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._kept = Kept(context.workspace)

    def observe(self, want: Reissue, tag: Tag, before: JsonMap | None) -> Finding:
        with self._calendar(want, tag) as calendar:
            seen = self._look(want, tag, calendar)
            if before is None:
                self._require_channel(want, tag, calendar)
        found = self._found(seen)
        if seen.dead:
            elsewhere = f"; organised elsewhere and left: {_count(seen.others)}" if seen.others else ""
            return Finding(
                Presence.ABSENT,
                {},
                effect=found.effect,
                message=f"Would give {_count(seen.dead)} a new link, such as {_title(seen.dead[0])!r}{elsewhere}.",
            )
        if seen.ours and self._untold(want, seen.ours):
            return Finding(Presence.ABSENT, effect=found.effect, message="Attendees are not told yet.")
        return found

    def apply(self, want: Reissue, tag: Tag, before: JsonMap, report: Report) -> Finding:
        del before  # what proves it is in the meetings, not a state
        with self._calendar(want, tag) as calendar:
            self._require_channel(want, tag, calendar)
            seen = self._look(want, tag, calendar)
            for _ in range(ROUNDS):
                if not seen.dead:
                    break
                for held in seen.dead:
                    self._require_free()
                    self._reissue(want, tag, calendar, held)
                seen = self._look(want, tag, calendar)
            else:
                raise DoesNotHoldError(f"{_count(seen.dead)} changed while they got their new link")
            self._tell_all(want, tag, self._untold(want, seen.ours), report)
        found = self._found(seen)
        report(found.message)
        return found

    def undo(self, want: Reissue, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        if not effect:
            return Finding(Presence.ABSENT, message="No meeting was changed, so there is nothing to restore.")
        left: list[str] = []
        with self._calendar(want, tag) as calendar:
            for url, written in effect["events"].items():
                self._require_free()
                if not self._restore(want, tag, calendar, url, written, report):
                    left.append(url)
        if left:
            named = ", ".join(self._name(url) for url in left[:MOST_NAMED])
            more = f" and {len(left) - MOST_NAMED} more" if len(left) > MOST_NAMED else ""
            return Finding(
                Presence.CONFLICT,
                message=f"Left alone, because people changed or removed them since: {named}{more}.",
            )
        return Finding(Presence.ABSENT, message=f"{len(effect['events'])} meetings are as they were.")

    def _require_free(self) -> None:
        """Asked before each meeting and each mail. Raises ProviderError."""
        if self.context.halted():
            raise ProviderError(f"The rest is left as it is: {HALTED}.", permanent=False)

    @contextmanager
    def _calendar(self, want: Reissue, tag: Tag) -> Iterator[Calendar]:
        """What goes wrong within becomes a ProviderError that says whether an effect is possible."""
        deadline = Deadline(self.context.deadline)
        attempt = Attempt(self.context, tag, deadline, Names(self.context.scope, deadline), writing=True)
        calendar = Calendar(attempt, want.calendar, want.user, want.password)
        try:
            yield calendar
        except (DoesNotHoldError, UnresolvedError) as error:
            raise ProviderError(
                f"{str(error).rstrip('.')}; check `calendar`, or try again later.",
                permanent=False,
                effect_possible=calendar.wrote,
            ) from error
        except ProviderError as error:
            error.effect_possible = error.effect_possible or calendar.wrote
            raise

    def _look(self, want: Reissue, tag: Tag, calendar: Calendar) -> _Seen:
        """The meetings to come, and those that this step changed and that have taken place meanwhile."""
        change = _change(want, tag)
        seen = _Seen()
        listed = {held.url: held for held in calendar.to_come(self.context.clock())}
        for url in self._kept.urls():
            if url not in listed and (past := calendar.meeting(url)) is not None:
                listed[url] = past
        for held in listed.values():
            standing = change.standing(held.text)
            kept = self._kept.text(held.url) is not None
            if standing is Standing.OURS or (kept and standing is Standing.WITHOUT and change.leads_here(held.text)):
                seen.ours.append(held)
            elif standing is Standing.DEAD:
                seen.dead.append(held)
            elif standing is Standing.OTHERS:
                seen.others.append(held)
        return seen

    def _found(self, seen: _Seen) -> Finding:
        if not seen.ours:
            return Finding(Presence.ALREADY, outputs={"events": 0, "told": 0}, message="No meeting leads there.")
        told = sum(self._kept.told(held.url, "new") for held in seen.ours)
        return Finding(
            Presence.OURS,
            outputs={"events": len(seen.ours), "told": told},
            effect={"events": {held.url: fingerprint(held.text) for held in seen.ours}},
            message=f"{_count(seen.ours)} have a new link; attendees of {told} were told by mail.",
        )

    def _reissue(self, want: Reissue, tag: Tag, calendar: Calendar, listed: Held) -> None:
        """Change one meeting, if it still leads to the vendor: as it is now, byte for byte, not as it was listed."""
        held = calendar.meeting(listed.url)
        change = _change(want, tag)
        if held is None or change.standing(held.text) is not Standing.DEAD:
            return
        self._kept.keep(held.url, held.text)
        calendar.put(held, change.made(held.text, self.context.clock()))

    def _restore(self, want: Reissue, tag: Tag, calendar: Calendar, url: str, written: str, report: Report) -> bool:
        """Whether the meeting is as it was before; False when people changed it since."""
        old, held = self._kept.text(url), calendar.meeting(url)
        if old is None:
            raise ProviderError(
                f"What {url} was before is kept in another data directory; undo it there, or put it back by hand.",
                permanent=True,
            )
        if held is None:
            return False
        if fingerprint(held.text) == fingerprint(old):
            self._tell_back(want, tag, held, report)
            return True
        if fingerprint(held.text) != written:
            return False
        told = self._kept.told(url, "new")
        back = restored(old, held.text, self.context.clock()) if told else old
        # A server in between may say yes for one that was never asked, and a list may lag: see that it is so.
        now = calendar.meeting(url) if calendar.put(held, back) else None
        if now is None or fingerprint(now.text) != fingerprint(back):
            raise DoesNotHoldError(f"{self._name(url)} changed while it was put back")
        self._tell_back(want, tag, Held(url, "", back), report)
        return True

    def _tell_back(self, want: Reissue, tag: Tag, held: Held, report: Report) -> None:
        """Those who were told of the new link are told of the old one."""
        if self._kept.told(held.url, "new") and not self._kept.told(held.url, "old"):
            self._tell(want, tag, held, "old", report)

    def _untold(self, want: Reissue, ours: list[Held]) -> list[Held]:
        if want.notify is None:
            return []
        return [held for held in ours if attendees_of(held.text) and not self._kept.told(held.url, "new")]

    def _tell_all(self, want: Reissue, tag: Tag, untold: list[Held], report: Report) -> None:
        """One meeting whose attendees are refused does not keep the others' from being told."""
        failed: list[tuple[Held, ProviderError]] = []
        for held in untold:
            try:
                self._tell(want, tag, held, "new", report)
            except ProviderError as error:
                failed.append((held, error))
                if not error.permanent:
                    break
        if failed:
            held, last = failed[-1]
            left = sum(not self._kept.told(one.url, "new") for one in untold)
            raise ProviderError(
                f"Attendees of {left} of {len(untold)} meetings are not told, such as {_title(held)!r}: {last.message}",
                permanent=last.permanent,
                effect_possible=True,
                retry_after=last.retry_after,
            )

    def _tell(self, want: Reissue, tag: Tag, held: Held, notice: str, report: Report) -> None:
        """Mail attendees. In doubt it is done again: of the same version, programs take over only one."""
        self._require_free()
        settings = self._settings(want)
        step = hashlib.sha256(f"{tag.step}\0{held.url}\0{notice}".encode()).hexdigest()[:16]
        identity = message_id(self.context, Tag(tag.run, f"meeting-{step}"))
        mail = mail_of(held.text, settings, identity, self.context.clock())
        deliver(self.context, settings, mail, attendees_of(held.text), report)
        self._kept.tell(held.url, notice)

    def _settings(self, want: Reissue) -> JsonMap:
        settings: JsonMap = self.context.scope.get("notify", {}).get(want.notify) or {}
        if settings.get("driver") != "smtp":
            raise ProviderError(
                f"The scope has no `notify.{want.notify}` with the driver smtp; add it to bascule.yaml.", permanent=True
            )
        return settings

    def _require_channel(self, want: Reissue, tag: Tag, calendar: Calendar) -> None:
        """Raises ProviderError(permanent) when attendees could not be told, or would be told twice."""
        if want.notify is None:
            return
        require_mail_settings(want.notify, {**self._settings(want), "to": ["attendees"]})
        message_id(self.context, tag)
        if calendar.sends_invitations():
            raise ProviderError(
                "This calendar server tells attendees by itself when a meeting changes, and they would be told twice; "
                "remove `notify`.",
                permanent=True,
            )

    def _name(self, url: str) -> str:
        return repr(_title(Held(url, "", self._kept.text(url) or "")))


def _change(want: Reissue, tag: Tag) -> Change:
    return Change(Links.of(want.from_vendors), want.link, want.domain, str(tag))


def _count(held: list[Held]) -> str:
    return "1 meeting" if len(held) == 1 else f"{len(held)} meetings"


def _title(held: Held) -> str:
    """What the meeting is called; without a name, its file's."""
    lines = lines_of(held.text)
    return next((line.text for line in lines if line.name == "SUMMARY"), "")[:80] or held.url.rpartition("/")[2]
