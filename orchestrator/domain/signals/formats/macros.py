"""Nagios, Icinga 2, Centreon and Checkmk, as `bascule notify` posts what they told it: {id, at, macros}.

The names are Nagios's macros without dollar signs; Checkmk's are those of its NOTIFY_ variables without the prefix.
"""

import json
from collections.abc import Mapping

from orchestrator.domain.signals.alert import (
    Alert,
    Reading,
    State,
    Unfit,
    labels,
    mapping,
    moment,
    numbers,
    read_json,
    text,
)

_STATES: Mapping[str, State] = {"OK": "ok", "UP": "ok", "CRITICAL": "fail", "CRIT": "fail", "DOWN": "fail"}
"""A warning, an unreachable host and an unknown service say neither that it works nor that it does not."""
_NEWS = frozenset({"PROBLEM", "RECOVERY", ""})
"""Other notifications, such as an acknowledgement, tell no news of the state."""


def read(_headers: Mapping[str, str], body: bytes) -> Reading:
    data = mapping(read_json(body))
    said = {text(name): text(value) for name, value in mapping(data.get("macros")).items()}
    about = "SERVICE" if said.get("SERVICEDESC") else "HOST"
    state = said.get(f"{about}STATE", "")
    if not said.get("HOSTNAME") or not state:
        raise Unfit("The macros lack HOSTNAME, or the state of the host or service.")
    news = said.get("NOTIFICATIONTYPE", "").upper() in _NEWS
    changed = said.get(f"LAST{about}STATECHANGE", "") or said.get(f"{about}PROBLEMID", "")
    sent = text(data.get("id"))
    same = [said["HOSTNAME"], said.get("SERVICEDESC", ""), state, changed, said.get("NOTIFICATIONTYPE", "")]
    alert = Alert(
        labels=labels(said),
        state=_STATES.get(state.upper(), "unknown") if news else "unknown",
        at=moment(said.get(f"LAST{about}STATECHANGE")) or moment(data.get("at")),
        identity=json.dumps(same) if changed.strip("0") else sent,
        numbers=numbers(said),
    )
    return Reading([alert], delivery=sent)
