"""The bars that evidence must pass: a value of policy, with defaults that the benchmark proves."""

import math
from dataclasses import dataclass

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Times in seconds. Wald's test tells a failing sensor from a working one: it fails by chance with `chance`, is
    refused by chance with `chance_denied`, and fails with `lost` once the vendor is gone. `alpha` bounds the false
    alarms of one sensor, `beta` what it misses."""

    interval: float = 5 * MINUTE
    """Between two readings of a sensor, until its own rhythm is known."""
    slowest: float = 12.0
    """Intervals between two readings of the slowest sensor that is not silent."""
    step: float = MINUTE
    """Verdicts are weighed so often."""
    lateness: float = 2 * MINUTE
    """An observation may come so long after others of its time and still take its place among them."""
    alone: float = 15 * MINUTE
    """Clocks may differ by so much. One that is further away is believed when no other speaks meanwhile."""

    chance: float = 0.01
    chance_denied: float = 0.002
    lost: float = 0.9
    alpha: float = 1e-4
    beta: float = 0.01
    cap: float = 2.0
    """Evidence is capped at so many times its bar, so that it can fall again."""
    half_life: float = HOUR

    partial: float = 0.08
    """The share of failures that an erosion has at least when it is told from chance."""
    partial_denied: float = 0.02
    chance_pooled: float = 0.0005
    """The share of refusals by chance, over all sensors of a trust domain, until more is known."""
    pool_bar_denied: float = 4.0
    pool_bar: float = 6.0
    """Log-likelihood that one trust domain's pooled failures or refusals must reach: chance passes once in e**6."""
    pool_joint: float = 14.0
    """What the pooled refusals of two trust domains must reach together, where neither has more to show."""
    pool_beside: float = 11.0
    """What those of one must reach beside another that is refused outright: so different a share has another cause."""
    pool_age: float = HOUR
    """Partial failures without refusals make suspect after so long: a short fault has gone by then."""
    mostly: float = 0.6
    """Of what is no answer lately, the share that are refusals in an erosion by refusals."""
    outage_failures: float = 4.0
    outage_refusals: float = 0.33
    """So many failures lately beyond chance, with at most so many refusals for each, are an outage: its refusals say
    nothing of an erosion."""

    thorough: float = 0.66
    """Of the last readings of what was refused `lately`, the share that is lost in a cut."""
    lately: float = 3 * HOUR
    refusing_cut: float = 0.7
    refusing_outage: float = 0.2
    """Of the readings that are no answers, the share that are refusals: in a cut at least, in an outage at most."""
    refusal_bar: float = 2.7
    """Log-likelihood that tells the one from the other in each trust domain."""

    learning: float = 14 * DAY
    first_look: int = 72
    """Readings before a slope is judged at all."""
    slack: float = 2.0
    """Deviations above the usual that are no slope yet."""
    steepest: float = 6.0
    """Deviations that one reading counts at most."""
    slope_bar: float = 20.0
    least_lag: float = MINUTE
    least_share: float = 0.01
    """A deviation is at least this: what never moved must not alarm at its first move."""

    control_memory: float = 20 * MINUTE
    """A control that failed is doubted for so long."""
    silent_after: float = 3.0
    """Intervals without a reading until a sensor is silent."""
    outage_longest: float = DAY
    """Failures without refusals are an outage up to here."""
    together: float = 30 * MINUTE
    """Failures that begin within so long began together."""
    companions: int = 3
    """Unrelated vendors of the same law that must be lost together before failures alone are a cut."""
    unrelated: int = 2
    """Unrelated vendors of one law that make its verdict."""

    hold_eroding: float = 10 * MINUTE
    hold_cut: float = 5 * MINUTE
    """Evidence must hold so long before it is a verdict."""
    hold_unknown: float = 5 * MINUTE
    release: float = 30 * MINUTE
    release_eroding: float = 3 * HOUR
    release_cut: float = 3 * HOUR
    """Evidence must be gone so long before the verdict falls; all longer than it takes to raise one."""
    cooldown: float = DAY
    """After an erosion the vendor stays suspect so long, after a cut until a person acknowledges it."""

    @property
    def bar(self) -> float:
        """Log-likelihood at which a sensor's failing is no chance (Wald 1945)."""
        return math.log((1 - self.beta) / self.alpha)

    @property
    def fail_gain(self) -> float:
        return math.log(self.lost / self.chance)

    @property
    def denied_gain(self) -> float:
        """More than `fail_gain`: networks time out by themselves, and refuse nobody."""
        return math.log(self.lost / self.chance_denied)

    @property
    def refusal_gain(self) -> float:
        return math.log(self.refusing_cut / self.refusing_outage)

    @property
    def failure_loss(self) -> float:
        return math.log((1 - self.refusing_outage) / (1 - self.refusing_cut))

    @property
    def ok_loss(self) -> float:
        return math.log((1 - self.chance) / (1 - self.lost))

    @property
    def silence(self) -> float:
        return self.silent_after * self.interval


DEFAULT = Thresholds()
