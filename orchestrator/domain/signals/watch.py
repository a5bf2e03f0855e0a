"""The watch over all vendors: observations in, changes of verdict out. Constant work for each observation.

Invariant: the verdicts depend on the set of observations and on nothing else;
within the bounded lateness neither their order of arrival nor repeats of them
change anything.
"""

from collections.abc import Iterator, Mapping

from orchestrator.domain.catalogue import EMPTY, Catalogue
from orchestrator.domain.signals.arrivals import Arrivals
from orchestrator.domain.signals.baseline import hour_of_week
from orchestrator.domain.signals.change import JURISDICTION, Change, law_change, vendor_change
from orchestrator.domain.signals.controls import Control, Failing, Health, health, our_side, shared
from orchestrator.domain.signals.jurisdiction import Bound, jurisdiction_verdict
from orchestrator.domain.signals.observation import CONTROL, Observation
from orchestrator.domain.signals.outlook import Outlook, next_verdict
from orchestrator.domain.signals.quorum import Verdict, evidence_of
from orchestrator.domain.signals.sensor import Sensor
from orchestrator.domain.signals.standing import acknowledged, remembered_cut, weighed
from orchestrator.domain.signals.thresholds import DAY, DEFAULT, Thresholds
from orchestrator.domain.signals.vendor import Place, WatchedVendor
from orchestrator.domain.signals.view import View, Vote

MOST_VENDORS, MOST_DOMAINS, MOST_SENSORS = 1000, 50, 500
"""Vendors in all; trust domains that look at one; sensors that one trust domain has there."""
_NEVER = float("inf")


class Watch:
    """Give it observations by `take`, and time by `tick` when none arrive; both answer what changed."""

    def __init__(self, catalogue: Catalogue = EMPTY, bars: Thresholds = DEFAULT) -> None:
        self._catalogue = catalogue
        self._bars = bars
        self.arrivals = Arrivals(bars)
        self._sensors: dict[tuple[str | None, ...], Sensor] = {}
        self._vendors: dict[str, WatchedVendor] = {}
        self._controls: dict[Place, dict[tuple[str, str, str], Control]] = {}
        self._consulted: dict[Place, list[list[Control]]] = {}
        self._failing: dict[Place, dict[str, float]] = {}
        """By place, the vendors that fail there, and since when."""
        self._laws: dict[str, Verdict] = {}
        self.crowded = 0
        """Observations of sensors that there was no room for."""
        self._due = _NEVER
        self._weighed = -_NEVER
        """The end of the last step that was weighed."""

    def take(self, one: Observation) -> list[Change]:
        """One observation, in whatever order it comes."""
        return self._run(self.arrivals.complete()) if self.arrivals.offer(one) else []

    def tick(self, at: float) -> list[Change]:
        """Time passes: seconds since the epoch, UTC."""
        return self._run(self.arrivals.complete()) if self.arrivals.pass_time(at) else []

    def finish(self) -> list[Change]:
        """A recording has ended: weigh what still waited for company."""
        return self._run(self.arrivals.rest())

    def acknowledge(self, vendor: str) -> None:
        """A person has seen what became of the vendor."""
        known = self._vendors.get(vendor)
        if known is not None:
            known.standing = acknowledged(known.standing)
            self._wake(known, self._weighed)

    def verdict(self, subject: str) -> Verdict:
        """What is said now of a vendor, or of `jurisdiction:US`."""
        if subject.startswith(JURISDICTION):
            return self._laws.get(subject.removeprefix(JURISDICTION), Verdict.UNKNOWN)
        known = self._vendors.get(subject)
        return known.standing.verdict if known else Verdict.UNKNOWN

    def remember_cut(self, vendor: str) -> None:
        """It was cut before any observation that is still known, and nobody has acknowledged that."""
        known = self._vendors.setdefault(vendor, WatchedVendor(vendor, self._catalogue))
        known.standing = remembered_cut(known.standing)

    def evidence(self) -> dict[str, Verdict]:
        """By subject, what the observations say at this moment: it comes and goes sooner than the verdict."""
        found = {name: one.evidence.verdict for name, one in self._vendors.items()}
        for country in {one.country for one in self._vendors.values() if one.country}:
            verdict = jurisdiction_verdict(self._bound(country, found), self._bars)
            if verdict is not None:
                found[f"{JURISDICTION}{country}"] = verdict
        return found

    def outlooks(self) -> dict[str, Outlook]:
        """By vendor, what its verdict becomes if the observations go on saying what they say."""
        return {name: self._outlook(one) for name, one in self._vendors.items()}

    def _outlook(self, vendor: WatchedVendor) -> Outlook:
        standing, evidence = vendor.standing, vendor.evidence
        becomes, at = next_verdict(standing, evidence, self._weighed, self._bars)
        unseen = standing.cooling_until is not None and self._weighed < standing.cooling_until
        told = None if at is None else self.arrivals.told(at)
        return Outlook(evidence.verdict, evidence.well, becomes, told, unseen)

    def onsets(self) -> dict[str, float]:
        """Of each vendor that erodes or is cut, when that began (UTC seconds): clocks run from there."""
        return {name: one.onset for name, one in self._vendors.items() if one.onset is not None}

    def _run(self, steps: Iterator[tuple[float, list[Observation]]]) -> list[Change]:
        changes: list[Change] = []
        for end, found in steps:
            while self._due <= end - self._bars.step:
                self._weigh_due(max(self._due, self._weighed + self._bars.step, end - DAY), changes)
            for one in found:
                self._fold(one)
            if self._due <= end:
                self._weigh_due(end, changes)
        return changes

    def _fold(self, one: Observation) -> None:
        sensor = self._sensors.get((one[1], one[2], one[3], one[4], one[5], one[8]))
        if sensor is None:
            if one.vendor.startswith(CONTROL):
                self._fold_control(one)
                return
            made = self._new_sensor(one)
            if made is None:
                self.crowded += 1
                return
            sensor = made
        outcome = one[6]
        if outcome == "unknown":
            return
        view = sensor.view
        if view.waits:
            view.resume(one[0])
            self._wake(self._vendors[one[1]], one[0])
        if outcome == "ok":
            if view.denied.level and sensor.signs_in:
                view.denied.miss()
            if view.failed.level:
                view.failed.miss()
            if sensor.quiet and one[7] is None:
                view.at = sensor.at = one[0]
                view.last = one
                view.count += 1
                return
        self._fold_sign(one, sensor, view)

    def _fold_sign(self, one: Observation, sensor: Sensor, view: View) -> None:
        """What may change a verdict: anything but an answer of a sensor that answers."""
        vendor = self._vendors[one.vendor]
        where = None
        if not sensor.quiet or one.outcome != "ok":
            place = (one.trust_domain, sensor.vantage)
            where = self._health(place, one.at)
            if one.outcome != "ok" and where.failing:
                self._wake(vendor, one.at)
                return
        view.at, view.count, view.last = one.at, view.count + 1, one
        if where is None:
            sensor.at = one.at
        else:
            sensor.read(one, spotless=where.spotless or not where.proven)
        if one.value is not None:
            hour = hour_of_week(self.arrivals.told(one.at))
            calm = vendor.standing.verdict.rank == 0
            sensor.rise(one.at, hour, one.value, calm=calm)
        if sensor.hot:
            view.hot[sensor] = None
            self._wake(vendor, one.at)
        elif sensor in view.hot:
            del view.hot[sensor]
            self._wake(vendor, one.at)
        elif view.speaks:
            self._wake(vendor, one.at)
        if where is not None:
            self._note_failing(one, sensor)

    def _note_failing(self, one: Observation, sensor: Sensor) -> None:
        failing = self._failing.setdefault((one.trust_domain, one.vantage), {})
        if sensor.failing.on:
            failing.setdefault(one.vendor, sensor.onset)
        elif one.vendor in failing:
            view = sensor.view
            if not any(other.failing.on and other.vantage == one.vantage for other in view.hot):
                del failing[one.vendor]

    def _fold_control(self, one: Observation) -> None:
        if one.outcome == "unknown":
            return
        place = (one.trust_domain, one.vantage)
        controls = self._controls.setdefault(place, {})
        key = (one.vendor, one.aspect, one.sensor)
        control = controls.get(key)
        if control is None:
            if len(controls) >= MOST_SENSORS or len(self._controls) > MOST_SENSORS:
                self.crowded += 1
                return
            control = controls[key] = Control(one.vendor)
            self._consulted = {}
        control.read(one.at, one.outcome)

    def _new_sensor(self, one: Observation) -> Sensor | None:
        """None when there are too many of them already: whoever invents names fills no memory."""
        vendor = self._vendors.get(one.vendor)
        if vendor is None:
            if len(self._vendors) >= MOST_VENDORS:
                return None
            vendor = self._vendors[one.vendor] = WatchedVendor(one.vendor, self._catalogue)
        view = vendor.views.get(one.trust_domain)
        if view is None and len(vendor.views) < MOST_DOMAINS:
            view = vendor.views[one.trust_domain] = View(one, self._bars)
        if view is None or view.width >= MOST_SENSORS:
            return None
        sensor = Sensor(one, view, self._bars)
        view.add(sensor)
        self._sensors[(one[1], one[2], one[3], one[4], one[5], one[8])] = sensor
        self._wake(vendor, one.at)
        return sensor

    def _health(self, place: Place, at: float) -> Health:
        """By the controls of that place; else by those of others at its vantage; else by all there are. Of others, all
        must say that it fails: none of them decides over another's word."""
        groups = self._consulted.get(place)
        if groups is None:
            own = self._controls.get(place)
            beside = [found for (_, vantage), found in self._controls.items() if vantage == place[1]]
            chosen = [own] if own else beside or self._controls.values()
            groups = self._consulted[place] = [list(found.values()) for found in chosen]
        return shared([health(found, at, self._bars) for found in groups])

    def _wake(self, vendor: WatchedVendor, at: float) -> None:
        vendor.due = min(vendor.due, at)
        self._due = min(self._due, at)

    def _weigh_due(self, now: float, changes: list[Change]) -> None:
        """At the end of a step, all vendors whose time has come, in the order of their names."""
        self._weighed = now
        moved: dict[str, None] = {}
        for name in sorted(name for name, one in self._vendors.items() if one.due <= now):
            vendor = self._vendors[name]
            change = self._weigh(vendor, now)
            if change is not None:
                changes.append(change)
                moved[vendor.country] = None
        for country in moved:
            change = self._weigh_law(country, now) if country else None
            if change is not None:
                changes.append(change)
        self._due = min((one.due for one in self._vendors.values()), default=_NEVER)

    def _weigh(self, vendor: WatchedVendor, now: float) -> Change | None:
        ours: dict[Place, bool] = {}

        def healths(sensor: Sensor) -> Health:
            place = (sensor.view.domain, sensor.vantage)
            if place not in ours:
                ours[place] = self._our_side(place)
            found = self._health(place, now)
            return found._replace(failing=True) if ours[place] else found

        votes = [view.vote(now, healths) for view in vendor.views.values()]
        vendor.note_loss(votes, now)
        lost_for, whole_for = vendor.lost_for(now)
        companions = self._companions(vendor)
        vendor.evidence = evidence_of(votes, lost_for, whole_for, companions, self._bars)
        before = vendor.standing.verdict
        vendor.standing = weighed(vendor.standing, vendor.evidence, now, self._bars)
        vendor.due = vendor.next_due(now, self._bars.step)
        if vendor.standing.verdict is before:
            return None
        return self._change(vendor, before, votes, now)

    def _companions(self, vendor: WatchedVendor) -> int:
        """Owners of the same law, other than this vendor's, that were wholly lost together with it."""
        if vendor.whole_since is None:
            return 0
        together = {
            one.owner
            for one in self._vendors.values()
            if one.country and one.country == vendor.country and one.whole_since is not None
            and abs(one.whole_since - vendor.whole_since) <= self._bars.together
        }  # fmt: skip
        return len(together - {vendor.owner})

    def _our_side(self, place: Place) -> bool:
        failing = self._failing.get(place)
        if not failing or len(failing) < 3:
            return False
        found = ((self._vendors[name], since) for name, since in failing.items())
        return our_side((Failing(one.owner, one.country, since) for one, since in found), self._bars)

    def _weigh_law(self, country: str, now: float) -> Change | None:
        vendors = sorted((one for one in self._vendors.values() if one.country == country), key=lambda one: one.name)
        said = {one.name: one.standing.verdict for one in vendors}
        verdict = jurisdiction_verdict(self._bound(country, said), self._bars)
        before = self._laws.get(country, Verdict.UNKNOWN)
        if verdict is None or verdict is before:
            return None
        self._laws[country] = verdict
        return law_change(country, before, verdict, vendors, self.arrivals.told(now))

    def _bound(self, country: str, said: Mapping[str, Verdict]) -> list[Bound]:
        """The vendors that a country's law binds, with what is said of each."""
        bound = (one for one in self._vendors.values() if one.country == country)
        return [Bound(one.name, one.owner, one.country, said[one.name]) for one in bound]

    def _change(self, vendor: WatchedVendor, before: Verdict, votes: list[Vote], now: float) -> Change:
        healths = {place: self._health(place, now) for place in sorted(vendor.places)}
        ours = {place: found._replace(failing=True) for place, found in healths.items() if self._our_side(place)}
        return vendor_change(vendor, before, votes, healths | ours, now, self.arrivals.told)
