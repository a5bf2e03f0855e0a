"""The sovereignty gate: plans are held against the policy when they are made, and again before they begin."""

import datetime
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from orchestrator.domain.plan import Plan
from orchestrator.domain.recognition import OwnerOf, own_hosts
from orchestrator.domain.reliance import relied_on
from orchestrator.domain.sovereignty import Place, Sighting, Verdict, judge, product_of, refusal
from orchestrator.operations.estate import Estates
from orchestrator.operations.request import Denied
from orchestrator.store import runs
from orchestrator.store.database import Database
from providers.probes.standing import Record

LOOK_FOR = 4.0
"""Seconds that looking at one product's domains may take; in a crisis names may not answer at all."""
COUNTS_FOR = 30 * 86400.0
"""Seconds that a record counts which is not seen any more, and whose absence was not seen either."""
AT_ONCE = 8
"""Products looked at side by side."""
MOST_HOSTS = 6
"""Hosts of one product whose domains are looked at."""


class BelowPolicy(Denied):
    """A place that a plan relies on is below the policy; `verdicts` has the reasons."""

    code = "below_policy"

    def __init__(self, verdicts: Sequence[Verdict]) -> None:
        super().__init__(refusal(verdicts))
        self.verdicts = tuple(verdict for verdict in verdicts if not verdict.ok)


class Watcher(Protocol):
    """What looks at hosts from within a scope."""

    def standing(self, commit: str, scope: str, hosts: Sequence[str], deadline: float) -> Sequence[Record]: ...


class Gate:
    """`owner_of`: whose network an address is in; without it, addresses say nothing."""

    def __init__(
        self,
        database: Database,
        estates: Estates,
        watcher: Watcher,
        clock: Callable[[], float],
        owner_of: OwnerOf | None = None,
    ) -> None:
        self._owner_of = owner_of
        self._database = database
        self._estates = estates
        self._watcher = watcher
        self._clock = clock

    def look_and_judge(self, plan: Plan) -> tuple[Verdict, ...]:
        """Look at the own domains of all that the plan relies on, and judge. Raises BelowPolicy."""
        return self._judge(plan, looking=True)

    def judge_again(self, plan: Plan) -> tuple[Verdict, ...]:
        """By today's date and the last look, without looking again. Raises BelowPolicy."""
        return self._judge(plan, looking=False)

    def _judge(self, plan: Plan, *, looking: bool) -> tuple[Verdict, ...]:
        bundle = self._estates.bundle(plan.commit)
        policy = bundle.estate.policy.sovereignty
        places = [place for place in relied_on(plan, bundle) if not policy.least(place.service).asks_nothing]
        products = sorted({place.product for place in places if place.product})
        with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="gate") as pool:
            found = pool.map(lambda name: self._sightings(plan, name, looking=looking), products)
            seen = dict(zip(products, found, strict=True))
        today = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC).date()

        def verdict(place: Place) -> Verdict:
            return judge(policy, place, bundle.catalogue, today, seen.get(place.product or "", ()))

        verdicts = tuple(map(verdict, places))
        if refusal(verdicts):
            raise BelowPolicy(verdicts)
        return verdicts

    def _sightings(self, plan: Plan, name: str, *, looking: bool) -> Sequence[Sighting]:
        """What is seen of a product now; what does not answer now counts as it was seen last, for a while."""
        subject = "standing:" + hashlib.sha256(name.encode()).hexdigest()[:48]
        with self._database.read() as conn:
            row = runs.load_snapshot(conn, plan.scope, subject)
        last = [Sighting.model_validate(one) for one in row.values["sightings"]] if row is not None else []
        found = self._look(plan, name) if looking else []
        answered = {sighting.part for sighting in found}
        oldest = self._clock() - COUNTS_FOR
        found += [one for one in last if one.part not in answered and one.at >= oldest]
        if answered:
            with self._database.write() as conn:
                kept = {"sightings": [sighting.model_dump(mode="json") for sighting in found]}
                runs.save_snapshot(conn, plan.scope, subject, self._clock(), kept)
        return found

    def _look(self, plan: Plan, name: str) -> list[Sighting]:
        product = product_of(self._estates.bundle(plan.commit).catalogue, name)
        hosts = own_hosts(product.recognised)[:MOST_HOSTS] if product else ()
        if not hosts:
            return []
        records = self._watcher.standing(plan.commit, plan.scope, hosts, LOOK_FOR)
        at = self._clock()
        named = [(one, self._name(one)) for one in records]
        return [Sighting(part=one.part, record=one.words, name=name, at=at) for one, name in named if name]

    def _name(self, record: Record) -> str | None:
        """Of an address, the network that it is in."""
        if record.part != "hosting":
            return record.name
        return self._owner_of(record.name) if self._owner_of else None
