"""`compute.server`: one server at one of the clouds that a step names, made, found again by its tags, and released.

The proof is the tags that the create request itself carries: `bascule`,
`bascule-run=<run>` and `bascule-step=<step>`. Where names are not unique, a
second server of the same name could be made; it is refused all the same, because
nobody could tell later which of the two the runbook meant.

With several providers the first that has room is taken. A cloud that refuses
for want of room keeps nothing: what was begun there is released before the next
is asked. A cloud that can't be reached counts the same way, but only for the worker
that has been at the step from its beginning and knows that nothing was begun there.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from providers.base import Context, Finding, JsonMap, Presence, ProviderError, Report, Tag
from providers.compute import alternates
from providers.compute.bring_up import Site
from providers.compute.clouds import block_of, cloud
from providers.compute.driver import CloudDriver, NoCapacityError, PartKind
from providers.compute.earlier import look_absent, look_existing, make_absent
from providers.compute.proof import is_still_of
from providers.compute.release import Released, clear, release, release_recorded
from providers.compute.sent import begun_file
from providers.vendor_http import Deadline
from providers.wants import Server


class ComputeServer:
    """A server at one of the scope's `compute` entries."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def observe(self, want: Server, tag: Tag, before: JsonMap | None) -> Finding:
        if before is None:
            self._from_the_beginning.touch()
        return self._look(want, tag, before, Deadline.of(self._context))

    def apply(self, want: Server, tag: Tag, before: JsonMap, report: Report) -> Finding:
        deadline = Deadline.of(self._context)
        if want.state == "absent":
            return alternates.released(
                self._each(want, deadline, lambda driver, name: make_absent(driver, name, want, before, report))
            )
        if want.state == "existing":
            found = self._look(want, tag, before, deadline)
            if found.presence in {Presence.ABSENT, Presence.CONFLICT}:
                raise _conflict(found)
            return found
        order = list(want.provider)
        if len(order) > 1:
            # All are looked at before any is asked: what is there at one decides about the others.
            found = self._look(want, tag, before, deadline)
            if found.presence is Presence.CONFLICT:
                raise _conflict(found)
            if found.presence is Presence.OURS or (found.presence is Presence.PENDING and not found.effect):
                return found
            order = _first_tried(want, found.effect)
        return self._bring_up(want, tag, order, report, deadline)

    def undo(self, want: Server, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        """Destroys only servers that `effect` names and that still carry our tags."""
        if not effect.get("servers") and not effect.get("parts"):
            return Finding(Presence.ABSENT, message="Nothing was made, so nothing is destroyed.")
        deadline = Deadline.of(self._context)
        done = [self._take_back(server, tag, report, deadline) for server in effect.get("servers", ())]
        done += [self._take_back_part(part, deadline) for part in effect.get("parts", ())]
        worst = next((found for found in done if found.presence is Presence.CONFLICT), None)
        pending = next((found for found in done if found.presence is Presence.PENDING), None)
        return worst or pending or Finding(Presence.ABSENT, message=f"Server {want.name} is gone.")

    def _look(self, want: Server, tag: Tag, before: JsonMap | None, deadline: Deadline) -> Finding:
        if want.state == "absent":
            return alternates.released(
                self._each(want, deadline, lambda driver, name: look_absent(driver, name, want, before))
            )
        if want.state == "existing":
            return alternates.found_again(
                self._each(want, deadline, lambda driver, name: look_existing(driver, name, want))
            )
        return alternates.made(self._look_everywhere(want, tag, deadline))

    def _look_everywhere(self, want: Server, tag: Tag, deadline: Deadline) -> Mapping[str, Finding]:
        """What each cloud shows. One that can't be read is left out while nothing of ours can be there."""
        found: dict[str, Finding] = {}
        unread: list[ProviderError] = []
        for name in want.provider:
            try:
                with self._site(want, tag, name, deadline) as site:
                    found[name] = site.look().finding
            except ProviderError as error:
                if self._may_have(name):
                    raise
                unread.append(error)
        if not found:
            raise unread[0]
        return found

    def _each(
        self, want: Server, deadline: Deadline, look: Callable[[CloudDriver, str], Finding]
    ) -> Mapping[str, Finding]:
        found = {}
        for name in want.provider:
            with cloud(self._context, name, deadline) as driver:
                found[name] = look(driver, name)
        return found

    def _bring_up(self, want: Server, tag: Tag, order: list[str], report: Report, deadline: Deadline) -> Finding:
        """At the first cloud that has room; what was begun at one without is released first."""
        refusals: list[ProviderError] = []
        for name in order:
            try:
                with self._site(want, tag, name, deadline) as site:
                    look = site.look()
                    if look.finding.presence is not Presence.CONFLICT:
                        return site.bring_up(look, report)
            except NoCapacityError as error:
                self._clear(name, tag, deadline)
                refusals.append(error)
            except ProviderError as error:
                if error.effect_possible or self._may_have(name) or len(order) == 1:
                    raise
                refusals.append(error)
            else:
                raise _conflict(look.finding)
            report(refusals[-1].message)
        if len(refusals) == 1:
            raise refusals[0]
        told = " ".join(error.message for error in refusals)
        raise ProviderError(told, permanent=all(error.permanent for error in refusals))

    def _clear(self, name: str, tag: Tag, deadline: Deadline) -> None:
        """Raises ProviderError when what was begun at this cloud is not gone yet: nothing is begun elsewhere then."""
        with cloud(self._context, name, deadline) as driver:
            if not clear(driver, tag, name):
                raise ProviderError(
                    f"{name} has no room, and what was begun there is not released yet; try again.",
                    permanent=False,
                    effect_possible=True,
                )
        begun_file(self._context.workspace, name).unlink(missing_ok=True)

    def _take_back(self, server: JsonMap, tag: Tag, report: Report, deadline: Deadline) -> Finding:
        with cloud(self._context, server["provider"], deadline) as driver:
            node = driver.ex_get_node(server["id"])
            if node is not None and not is_still_of(driver, node, tag):
                message = f"Server {node.name} ({node.id}) no longer carries our tags, so it was left alone."
                return Finding(Presence.CONFLICT, message=message)
            if node is not None:
                report(f"Destroying server {node.name} ({node.id})")
                release(driver, node)
                message = f"Server {node.name} is being destroyed."
                return Finding(Presence.PENDING, effect={"servers": [server]}, message=message)
            return _finding_of(release_recorded(driver, server), server)

    def _take_back_part(self, recorded: JsonMap, deadline: Deadline) -> Finding:
        with cloud(self._context, recorded["provider"], deadline) as driver:
            part = driver.ex_part(PartKind(recorded["kind"]), recorded["id"])
            if part is None:
                return Finding(Presence.ABSENT)
            if part.holders:
                message = f"The {part.kind} {part.id} is in use by others now, so it was left alone."
                return Finding(Presence.CONFLICT, message=message)
            driver.ex_delete_part(part)
            return Finding(Presence.ABSENT)

    def _may_have(self, name: str) -> bool:
        """Whether something of this step may be at this cloud, as far as this worker knows."""
        begun = begun_file(self._context.workspace, name).exists()
        return begun or not self._from_the_beginning.exists()

    @property
    def _from_the_beginning(self) -> Path:
        """Exists where the step was looked at before its first intent: this workspace then knows all of it."""
        return self._context.workspace / "from-the-beginning"

    @contextmanager
    def _site(self, want: Server, tag: Tag, name: str, deadline: Deadline) -> Iterator[Site]:
        user_data = None if want.user_data is None else self._user_data(want.user_data)
        block = block_of(self._context, name)
        with cloud(self._context, name, deadline) as driver:
            yield Site(driver, name, block, want, tag, self._context.workspace, user_data)

    def _user_data(self, path: str) -> str:
        try:
            return (self._context.estate / path).read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            raise ProviderError(
                f"The user data {path} cannot be read from the estate; check that the file is in Git.", permanent=True
            ) from error


def _conflict(found: Finding) -> ProviderError:
    """To raise for what stands in the way."""
    return ProviderError(found.message, permanent=True, effect_possible=bool(found.effect))


def _first_tried(want: Server, effect: JsonMap) -> list[str]:
    """The clouds in the order to try: the one where something was begun goes before all others."""
    begun = [one["provider"] for key in ("servers", "parts") for one in effect.get(key, ())][:1]
    return begun + [name for name in want.provider if name not in begun]


def _finding_of(released: Released, server: JsonMap) -> Finding:
    presence = {
        Released.GONE: Presence.ABSENT,
        Released.UNDER_WAY: Presence.PENDING,
        Released.TAKEN: Presence.CONFLICT,
    }[released]
    effect = {} if presence is Presence.ABSENT else {"servers": [server]}
    return Finding(presence, effect=effect, message=f"What server {server['id']} left behind: {released.value}.")
