"""`{"observations": […]}`: what a probe of the organisation's own saw elsewhere, in the plain form of observations."""

from collections.abc import Mapping

from orchestrator.domain.signals.alert import MOST_ALERTS, Reading, Unfit, read_json, text
from orchestrator.domain.signals.observation import BadObservation, Observation, observation_of

MOST_NOTES = 20


def read(headers: Mapping[str, str], body: bytes) -> Reading:
    """The id stands in the header that the signature covers. What can't be read is noted; the rest counts."""
    said = read_json(body)
    listed = said.get("observations") if isinstance(said, dict) else None
    if not isinstance(listed, list):
        raise Unfit("The body has no list `observations`.")
    found: list[Observation] = []
    wrong: list[str] = []
    for index, one in enumerate(listed[:MOST_ALERTS]):
        try:
            found.append(observation_of(one))
        except BadObservation as error:
            wrong.append(f"Observation {index + 1}: {error}")
    notes = wrong[:MOST_NOTES]
    if len(wrong) > MOST_NOTES:
        notes.append(f"{len(wrong) - MOST_NOTES} more observations could not be read.")
    if len(listed) > MOST_ALERTS:
        notes.append(f"{len(listed) - MOST_ALERTS} observations above {MOST_ALERTS} were not looked at.")
    return Reading(notes=notes, delivery=text(headers.get("webhook-id")), observations=found)
