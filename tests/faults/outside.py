"""What one crash point touched outside: the part of the simulator's state and effects that carries its mark."""

import json
import re
from collections import Counter
from typing import Any

from tests.simulator_fixture import Simulator

Effects = Counter[tuple[str, str, str]]

_ADDRESS = re.compile(r"198\.18\.\d+\.\d+")
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MESSAGE = re.compile(r"\.(?:[0-9a-f]{12}|[0-9a-f]{20})@")
"""What tells one Message-ID from another: a digest of run and step, or of a canary something random."""


def touched(simulator: Simulator, mark: str) -> dict[str, Any]:
    """Servers, volumes, records, buckets and messages that carry the mark; of messages, how many of each subject."""
    state = simulator.state()
    subjects = [
        f"{listener}: {message['subject']}"
        for listener, messages in simulator.messages().items()
        for message in messages
        if mark in message["subject"]
    ]
    return {
        "servers": [server for server in state["servers"] if mark in server["name"]],
        "volumes": [volume for volume in state["volumes"] if mark in volume["name"]],
        "records": [line for lines in state["zones"].values() for line in lines if mark in line],
        "buckets": {
            f"{store}/{name}": objects
            for store, buckets in state["buckets"].items()
            for name, objects in buckets.items()
            if mark in name
        },
        "messages": sorted(subjects),
    }


def effects_of(simulator: Simulator, mark: str, run_id: str) -> Effects:
    """How often each thing was written outside, with mark and run taken out of their names."""
    return Counter(
        (effect["service"], effect["action"], nameless(f"{effect['target']} {effect['tag']}", mark, run_id))
        for effect in simulator.effects()
        if mark in effect["target"] + effect["tag"] or run_id in effect["tag"]
    )


def nameless(text: str, mark: str, run_id: str) -> str:
    """The text as any other run of the same case would have it."""
    plain = text.replace(run_id, "RUN").replace(mark, "MARK")
    return _MESSAGE.sub(".DIGEST@", _ID.sub("ID", _ADDRESS.sub("ADDRESS", plain)))


def comparable(world: dict[str, Any], mark: str, run_id: str) -> Any:
    """A world that can be compared with the one of the reference run."""
    return json.loads(nameless(json.dumps(world, sort_keys=True), mark, run_id))


def without_owner(world: dict[str, Any], prepared: dict[str, Any], run_id: str) -> list[str]:
    """Servers and objects that nobody prepared and that don't say which run made them."""
    found = [
        server["name"]
        for server in world["servers"]
        if server not in prepared["servers"] and f"bascule-run={run_id}" not in server["tags"]
    ]
    for bucket, objects in world["buckets"].items():
        before = prepared["buckets"].get(bucket, {})
        found += [
            f"{bucket}/{key}"
            for key, stored in objects.items()
            if before.get(key) != stored
            and stored["metadata"].get("bascule-run") != run_id
            and not key.startswith(f".bascule/{run_id}/")
        ]
    return found
