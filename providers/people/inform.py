"""A notice of new addresses to people, on every channel that is named, and on none of them twice.

Nobody can tell from outside whether a mail or an SMS arrived, so a receipt for each channel in the step's
workspace is the proof. A channel that fails keeps the others from nothing. Undo sends a notice too, once, by
the channels that took the first: what people have read can't be taken out of their hands.
"""

from dataclasses import dataclass, replace

from providers.base import HALTED, Context, Finding, JsonMap, Presence, ProviderError, Report, Tag
from providers.dns.deadline import Deadline
from providers.people.channels import way_of
from providers.people.notice import Notice, made_reference, reference
from providers.people.receipts import Receipts, Told
from providers.people.signature import Signer
from providers.people.wording import LANGUAGES, Language
from providers.wants import PAPER, Inform, Sheets

MOST_SHEET_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class _Failure:
    channel: str
    error: ProviderError


class PeopleInform:
    """`people.inform`. Outputs: `reference`, `messages` (by what each channel knows it), `paper`, `signature`."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def observe(self, want: Inform, tag: Tag, before: JsonMap | None) -> Finding:
        receipts = self._receipts()
        left = receipts.those(want.channels, Told.NOT_YET)
        doubts = receipts.those(want.channels, Told.IN_DOUBT)
        if before is None and len(left) == len(want.channels):
            return Finding(Presence.ABSENT, message=self._outlook(want, tag))
        found = self._found(want, tag)
        if not left and not doubts:
            return replace(found, presence=Presence.OURS)
        if not left:
            return replace(found, presence=Presence.UNPROVABLE, message=_in_doubt(doubts, reference(want, tag)))
        told = f" {_in_doubt(doubts, reference(want, tag))}" if doubts else ""
        return replace(found, message=f"Not told yet: {', '.join(left)}.{told}")

    def apply(self, want: Inform, tag: Tag, before: JsonMap, report: Report) -> Finding:
        del before  # what proves it is the receipts, not a state
        receipts = self._receipts()
        notice = self._notice(want, tag)
        failures = self._tell(want.channels, notice, tag, receipts, {}, report)
        doubts = receipts.those(want.channels, Told.IN_DOUBT)
        if failures or doubts:
            begun = bool(doubts or receipts.those(want.channels, Told.TAKEN))
            raise _not_everywhere(failures, doubts, notice.reference, begun)
        found = replace(self._found(want, tag), presence=Presence.OURS)
        report(found.message)
        return found

    def undo(self, want: Inform, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        if not effect:
            return Finding(Presence.ABSENT, message="Nobody was told, so there is nothing to take back.")
        back = Tag(tag.run, f"{tag.step}~undo")
        notice = replace(
            self._notice(want, tag, instructions=False), reference=made_reference(back), first=str(effect["reference"])
        )
        receipts = Receipts(self.context.workspace / "undo", self.context.clock)
        told: dict[str, str] = dict(effect["channels"])
        failures = self._tell(list(told), notice, back, receipts, told, report)
        doubts = receipts.those(told, Told.IN_DOUBT)
        if failures or doubts:
            begun = bool(doubts or receipts.those(told, Told.TAKEN))
            raise _not_everywhere(failures, doubts, notice.reference, begun, only_doubts=not failures)
        message = f"{', '.join(told)}: told under {notice.reference} that {notice.first} was taken back."
        return Finding(Presence.ABSENT, message=message)

    def _tell(
        self,
        channels: list[str],
        notice: Notice,
        tag: Tag,
        receipts: Receipts,
        answers: dict[str, str],
        report: Report,
    ) -> list[_Failure]:
        """Tell those that were not told yet; one that fails does not keep the next from being told."""
        failures: list[_Failure] = []
        deadline = Deadline(self.context.deadline)
        for channel in receipts.those(channels, Told.NOT_YET):
            if self.context.halted():
                failures.append(_Failure(channel, ProviderError(f"{HALTED}.", permanent=False)))
                continue
            try:
                self._tell_one(channel, notice, tag, receipts, answers.get(channel), deadline, report)
            except ProviderError as error:
                if receipts.told(channel) is not Told.IN_DOUBT:
                    failures.append(_Failure(channel, error))
                report(f"{channel}: {error.message}")
        return failures

    def _tell_one(
        self,
        channel: str,
        notice: Notice,
        tag: Tag,
        receipts: Receipts,
        answers: str | None,
        deadline: Deadline,
        report: Report,
    ) -> None:
        within = replace(self.context, deadline=deadline.within(self.context.deadline))
        way = way_of(within, channel, self._signer())
        if not way.proves:
            receipts.begin(channel)
        try:
            identity = way.send(notice, tag, answers, report)
        except ProviderError as error:
            if not error.effect_possible:
                receipts.refused(channel)
            raise
        receipts.taken(channel, identity)

    def _found(self, want: Inform, tag: Tag) -> Finding:
        """What the receipts say; ABSENT, with what was begun."""
        receipts = self._receipts()
        known = {channel: receipts.identity(channel) for channel in want.channels}
        messages = {channel: identity for channel, identity in known.items() if identity is not None}
        if not messages:
            return Finding(Presence.ABSENT)
        mark = reference(want, tag)
        signed = self._signer().signed_text(self._notice(want, tag).canonical())
        outputs = {
            "reference": mark,
            "messages": messages,
            "paper": messages.get(PAPER, ""),
            "signature": str(signed) if signed is not None else "",
        }
        effect = {"reference": mark, "channels": messages}
        return Finding(Presence.ABSENT, {}, outputs, effect, f"{', '.join(messages)}: told under reference {mark}.")

    def _outlook(self, want: Inform, tag: Tag) -> str:
        """What would be sent where. Raises ProviderError when a channel could not: better now than in the crisis."""
        notice = self._notice(want, tag)
        signer = self._signer()
        looked = [way_of(self.context, channel, signer).look(notice, tag) for channel in want.channels]
        return f"Would tell {notice.subject('en')!r}: {'; '.join(looked)}."

    def _notice(self, want: Inform, tag: Tag, *, instructions: bool = True) -> Notice:
        page = str(self.context.scope.get("people", {}).get("page") or "")
        sheets = self._sheets(want.instructions) if instructions and want.instructions is not None else {}
        return Notice(want, reference(want, tag), page=page, sheets=sheets)

    def _sheets(self, named: Sheets) -> dict[Language, str]:
        found: dict[Language, str] = {}
        for language in LANGUAGES:
            path = str(getattr(named, language))
            try:
                found[language] = (self.context.estate / path).read_bytes()[:MOST_SHEET_BYTES].decode()
            except (OSError, UnicodeDecodeError) as error:
                raise ProviderError(
                    f"The instructions {path} can't be read as a text in UTF-8; correct them in the estate.",
                    permanent=True,
                ) from error
        return found

    def _signer(self) -> Signer:
        return Signer(self.context)

    def _receipts(self) -> Receipts:
        return Receipts(self.context.workspace, self.context.clock)


def _in_doubt(doubts: list[str], mark: str) -> str:
    return f"Nothing shows whether {', '.join(doubts)} took the notice {mark}; ask there, then skip it."


def _not_everywhere(
    failures: list[_Failure], doubts: list[str], mark: str, begun: bool, *, only_doubts: bool = False
) -> ProviderError:
    """One error for all channels. `begun`: somebody was told, or may have been."""
    said = [f"{one.channel} ({one.error.message.rstrip('.')})" for one in failures]
    parts = [f"Not told: {'; '.join(said)}"] if said else []
    if doubts:
        parts.append(f"nothing shows whether {', '.join(doubts)} took the notice {mark}; ask there, then skip it")
    waits = [one.error.retry_after for one in failures if one.error.retry_after is not None]
    text = "; ".join(parts)
    return ProviderError(
        f"{text[:1].upper()}{text[1:]}.",
        permanent=only_doubts or (bool(failures) and all(one.error.permanent for one in failures)),
        effect_possible=begun,
        retry_after=max(waits, default=None),
    )
