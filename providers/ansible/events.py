"""What Ansible's events say: a line for people, and the tally that decides the outcome. Pure.

Names of hosts, tasks and messages come from the estate and from the hosts:
they are hostile text, flattened to one printable line wherever they are shown.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from providers.ansible.event_file import LEFT_OUT
from providers.redaction import Mask

Event = dict[str, Any]

TAIL = 60
"""Words kept of a failed module's error output."""
SAID_LIMIT = 20
"""Lines kept of what Ansible said outside of any task, such as a syntax error."""


@dataclass(slots=True)
class Trouble:
    """A host's last failure: which task, and why in the host's own words."""

    task: str
    reason: str


@dataclass(slots=True)
class Tally:
    """What has been seen of a play so far, masked. `stats` and `outputs` arrive with its last event."""

    mask: Mask
    stats: dict[str, dict[str, int]] | None = None
    outputs: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, Trouble] = field(default_factory=dict)
    unreachable: dict[str, Trouble] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    task: str = ""
    left_out: int = 0
    """Bytes of the last event that was too large to be read."""

    def take(self, event: Event) -> None:
        """Count one event in."""
        data = event.get("event_data") or {}
        host = str(data.get("host", ""))
        self.left_out = event.get(LEFT_OUT, self.left_out)
        match event.get("event"):
            case "playbook_on_task_start":
                self.task = self.mask(str(data.get("name", "")))
            case "runner_on_failed" if not data.get("ignore_errors"):
                self.failed[host] = self._trouble(event, self.failed.get(host))
            case "runner_item_on_failed":
                self.failed[host] = self._trouble(event, None)
            case "runner_on_unreachable":
                self.unreachable[host] = self._trouble(event, None)
            case "playbook_on_stats":
                self.stats = {key: data.get(key) or {} for key in ("ok", "changed", "dark", "failures", "processed")}
                self.outputs = data.get("artifact_data") or {}
            case "verbose" | "warning" | "error" | "system_warning":
                text = self.mask(str(event.get("stdout") or "")).strip()
                self.said = [*self.said, *([text] if text else [])][-SAID_LIMIT:]

    def _trouble(self, event: Event, item: Trouble | None) -> Trouble:
        """A loop's own result says only that an item failed; then the item's reason is kept."""
        data = event["event_data"]
        task, result = self.mask(str(data.get("task", ""))), result_of(event)
        if item is not None and item.task == task and "results" in result:
            return item
        return Trouble(task, reason(result, self.mask))


def line_of(event: Event, mask: Mask) -> str:
    """One event as one line for people, masked; empty when there is nothing to say."""
    data = event.get("event_data") or {}
    name, kind = mask(str(data.get("name", ""))), event.get("event")
    match kind:
        case "playbook_on_play_start":
            return flat(f"play {name}")
        case "playbook_on_task_start":
            return flat(f"task {name}")
        case "playbook_on_no_hosts_matched":
            return "no host matches this play"
        case "runner_on_ok" | "runner_on_failed" | "runner_on_unreachable" | "runner_on_skipped":
            return flat(_result_words(str(kind), event, mask))
        case "verbose" | "warning" | "error" | "system_warning":
            return flat(mask(str(event.get("stdout") or "")))
    return ""


def result_of(event: Event) -> dict[str, Any]:
    """A task's result; where ansible-runner left it out for its size, what Ansible printed of it."""
    return event["event_data"].get("res") or {"stdout": event.get("stdout") or ""}


def _result_words(kind: str, event: Event, mask: Mask) -> str:
    """What one task did on one host: `changed portal: Install the web server`."""
    data, result = event["event_data"], result_of(event)
    word, words = kind.removeprefix("runner_on_"), ""
    if kind == "runner_on_ok":
        word = "changed" if result.get("changed") else "ok"
        # Ansible sets this on what a play says on purpose, by `debug`.
        words = mask(_text(result.get("msg", ""))) if result.get("_ansible_verbose_always") else ""
        words = words if data.get("res") else "its result is too large to be shown"
    elif kind != "runner_on_skipped":
        word += " (ignored)" if data.get("ignore_errors") else ""
        words = reason(result, mask)
    line = f"{word} {data.get('host', '')}: {mask(str(data.get('task', '')))}"
    return f"{line}: {words}" if words else line


def reason(result: dict[str, Any], mask: Mask) -> str:
    """Why a task failed, in the module's words: its message, then the end of its error output.

    Masked before anything is cut: half a secret would pass the mask.
    """
    words = [mask(_text(result.get("msg", ""))).strip()]
    for key in ("stderr", "module_stderr", "stdout", "module_stdout"):
        tail = " ".join(mask(_text(result.get(key, ""))).split()[-TAIL:])
        if tail and tail not in words[0]:
            words.append(tail)
            break
    if "censored" in result:
        words.append("the play hides this result (no_log)")
    return ": ".join(word for word in words if word) or "it gave no reason"


def flat(text: str) -> str:
    """On one line, without control characters: safe for a terminal and a page."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def cut(text: str, size: int) -> str:
    """At most `size` bytes of UTF-8; what was left out is said."""
    raw = text.encode(errors="replace")
    if len(raw) <= size:
        return text
    note = f" … (cut, {len(raw)} bytes)"
    return raw[: size - len(note.encode())].decode(errors="ignore") + note


class Allowance:
    """Lets lines pass until `size` bytes are used up; then says so once, and lets no more pass."""

    def __init__(self, size: int) -> None:
        self._size = self._left = size

    @property
    def spent(self) -> bool:
        """Whether nothing passes any more."""
        return self._left <= 0

    def __call__(self, line: str) -> str:
        """The line, or empty when it must not pass."""
        if self.spent:
            return ""
        self._left -= len(line.encode(errors="replace")) + 1
        return line if self._left > 0 else f"more output than {self._size} bytes: the rest is not shown"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
