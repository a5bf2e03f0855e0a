"""A notice: what changed, what did not, what is never asked, and how to tell that it is ours. Pure.

The text that is signed is `canonical`: both languages, as they are sent, without the signature.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from providers.base import Tag
from providers.people.wording import LANGUAGES, Language, say
from providers.social import post
from providers.wants import Fact, Inform


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its lines."""

    heading: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told. `first`: the reference of the notice that this one takes back.

    `page`: where the organisation publishes its notices. `sheets`: instructions in Markdown, by language.
    """

    want: Inform
    reference: str
    first: str = ""
    page: str = ""
    sheets: Mapping[Language, str] = field(default_factory=dict)

    def subject(self, language: Language) -> str:
        plain = " ".join(getattr(self.want.subject, language).split())
        return say(language, "undo_subject", subject=plain) if self.first else plain

    def sections(self, language: Language) -> tuple[Section, ...]:
        """The notice in one language, without its instructions."""
        return (self._changes(language), *self._unchanged(language), self._never(language), self._verify(language))

    def text(self, language: Language) -> str:
        """As plain text, with the instructions before what concerns trust."""
        changes, *rest = self.sections(language)
        parts = [self.subject(language), _plain(changes)]
        if sheet := self.sheets.get(language):
            parts.append(_plain(Section(say(language, "instructions"), ())) + f"\n{sheet.strip()}")
        parts += [_plain(section) for section in rest]
        return "\n\n".join([*parts, f"{say(language, 'reference')} {self.reference}"]) + "\n"

    def canonical(self) -> str:
        """What the signature covers."""
        return "\n----\n\n".join(self.text(language) for language in LANGUAGES)

    def short(self, language: Language) -> str:
        """In one line, for an SMS or a network of short texts."""
        return say(
            language,
            "sms_undo" if self.first else "sms",
            subject=self.subject(language).rstrip("."),
            facts="; ".join(self._fact(fact, language, short=True) for fact in self.want.facts),
            reference=self.reference,
            contact=" ".join(getattr(self.want.contact, language).split()),
            first=self.first,
        )

    def _changes(self, language: Language) -> Section:
        facts = tuple(f"- {self._fact(fact, language)}" for fact in self.want.facts)
        if self.first:
            return Section(say(language, "restored"), (say(language, "taken_back", first=self.first), *facts))
        when = self.want.from_when
        since = () if when is None else (say(language, "from_when", when=getattr(when, language)),)
        return Section(say(language, "changes"), (*facts, *since))

    def _fact(self, fact: Fact, language: Language, *, short: bool = False) -> str:
        what = " ".join(getattr(fact.what, language).split())
        if self.first:
            return say(language, "fact", what=what, new=fact.old or say(language, "as_before"))
        if fact.old is None or short:
            return say(language, "fact", what=what, new=fact.new)
        return say(language, "fact_from", what=what, new=fact.new, old=fact.old)

    def _unchanged(self, language: Language) -> Iterator[Section]:
        if not self.first:
            named = tuple(f"- {getattr(words, language)}" for words in self.want.unchanged)
            yield Section(say(language, "unchanged"), (*named, say(language, "rest")))

    def _never(self, language: Language) -> Section:
        return Section(say(language, "never"), (say(language, "never_asked"),))

    def _verify(self, language: Language) -> Section:
        contact = " ".join(getattr(self.want.contact, language).split())
        published = (say(language, "page", page=self.page),) if self.page else ()
        lines = (say(language, "ask", reference=self.reference, contact=contact), *published)
        return Section(say(language, "verify"), lines)


def reference(want: Inform, tag: Tag) -> str:
    """The wish's own, or that of run and step, which announcements on social networks bear too."""
    return want.reference or made_reference(tag)


def made_reference(tag: Tag) -> str:
    return post.reference(tag).removeprefix(post.MARK)


def _plain(section: Section) -> str:
    return "\n".join([section.heading, "-" * len(section.heading), *section.lines])
