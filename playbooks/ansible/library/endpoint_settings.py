"""Ansible module: gives a program's configuration file another API address, key and model, and puts the file back.

Beside FILE it keeps `FILE.bascule-before`, the file as it was before the first change, and `FILE.bascule-after`, the
SHA-256 of what was written last: putting back happens only to a file that nobody changed since. `FILE.bascule-restart`
says that the program has not been restarted yet, also to a run after one that was cut off. All are for root alone.
Every file is replaced whole, with its owner and mode; a link stays, and what it points to is changed.
"""

import hashlib
import json
import os
import re

from ansible.module_utils.basic import AnsibleModule

BEFORE, AFTER, RESTART = ".bascule-before", ".bascule-after", ".bascule-restart"
PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]+\Z")
"""Values that need no quotes in a dotenv file, in a shell that reads it, and in YAML where they begin with a letter."""
ASSIGNMENT = re.compile(r"(\s*(?:export\s+)?)([A-Za-z_][A-Za-z0-9_.]*)(\s*=[ \t]*)(.*)\Z", re.DOTALL)
MAPPING_LINE = re.compile(r"""( *)("[^"\\]*"|'[^']*'|[A-Za-z0-9_./-]+)( *:)(?:([ \t]+)(.*?))?([ \t]*)\Z""")
YAML_SCALAR = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'|>&*!{\[#%@`][^#]*?)?([ \t]+#.*)?\Z""")
YAML_WORDS = re.compile(r"(?i)(true|false|yes|no|on|off|null|y|n)\Z")
MAX_BYTES = 1024 * 1024


class Unfit(Exception):
    """The file can't be changed safely; the text says why and what to do."""


def changed_env(text, settings):
    """A dotenv file with these settings; every other byte stays. What has no line yet gets one at the end."""
    lines, last, open_quote = [], set(), ""
    for line in text.splitlines(keepends=True):
        body = line.rstrip("\r\n")
        end = line[len(body) :]
        found = None if open_quote else ASSIGNMENT.match(body)
        if open_quote:
            open_quote = "" if _closes(body, open_quote) else open_quote
        elif found:
            head, name, sign, value = found.groups()
            open_quote = _opens(value)
            if name in settings:
                if open_quote:
                    raise Unfit(f"the value of {name} goes over several lines; write it in one")
                body = head + name + sign + _env_value(value, settings[name])
                last.add(name)
        lines.append(body + end)
    missing = [name for name in settings if name not in last]
    newline = "\r\n" if "\r\n" in text else "\n"
    if missing and lines and not lines[-1].endswith("\n"):
        lines.append(newline)
    return "".join([*lines, *(f"{name}={_env_value('', settings[name])}{newline}" for name in missing)])


def env_names(text):
    """The names that have a value in a dotenv file."""
    found = (ASSIGNMENT.match(line) for line in text.splitlines())
    return {one.group(2) for one in found if one}


def _opens(value):
    """The quote that a value begins and does not end on its line; empty where there is none."""
    quote = value[:1]
    return quote if quote in ("'", '"') and not _closes(value[1:], quote) else ""


def _closes(text, quote):
    return quote in (re.sub(r"\\.", "", text) if quote == '"' else text)


def _env_value(old, new):
    """The new value, quoted as the old one was, before the old one's comment."""
    said = re.match(r"""("(?:[^"\\]|\\.)*"|'[^']*'|[^#]*?)([ \t]+#.*|[ \t]*)\Z""", old, re.DOTALL)
    quote, rest = (said.group(1)[:1], said.group(2)) if said else ("", "")
    if quote not in ("'", '"'):
        quote = "" if PLAIN.match(new) else "'"
    if quote == "'" and "'" in new:
        quote = '"'
    if quote == '"':
        new = re.sub(r'([\\"$`])', r"\\\1", new)
    return quote + new + quote + rest


def changed_yaml(text, settings):
    """A YAML file of plain block mappings with these values at these dotted keys; every other byte stays.

    Only lines that are surely understood are changed: a key must be there once, with a value on its own line.
    """
    lines = text.splitlines(keepends=True)
    for dotted, new in settings.items():
        at = _yaml_line(lines, dotted.split("."))
        body = lines[at].rstrip("\r\n")
        head, key, colon, gap, value, _ = MAPPING_LINE.match(body).groups()
        scalar = YAML_SCALAR.match(value or "")
        if not scalar:
            raise Unfit(f"the value of {dotted} is not a plain text on one line; write it so")
        quoted = _yaml_value(scalar.group(1) or "", new)
        lines[at] = head + key + colon + (gap or " ") + quoted + (scalar.group(2) or "") + lines[at][len(body) :]
    return "".join(lines)


def _yaml_line(lines, keys):
    """The number of the line that holds the key, found by the indentation of the mappings around it."""
    found, parents, block = [], [], None
    for number, line in enumerate(lines):
        body = line.rstrip("\r\n")
        bare = body.strip()
        indent = len(body) - len(body.lstrip(" "))
        if block is not None:
            if not bare or indent > block:
                continue
            block = None
        if not bare or bare.startswith("#"):
            continue
        while parents and parents[-1][0] >= indent:
            parents.pop()
        told = MAPPING_LINE.match(body)
        if bare.startswith(("---", "...")) and number and found:
            raise Unfit("it holds several documents; name one that holds a single one")
        if bare.startswith("- ") or bare == "-":
            parents.append((indent, "-"))
            continue
        if not told:
            continue
        parents.append((indent, told.group(2).strip("\"'")))
        if (told.group(5) or "")[:1] in ("|", ">"):
            block = indent
        if [key for _, key in parents] == keys:
            found.append(number)
    if len(found) != 1:
        seen = "more than once" if found else "not at all, or not in block form"
        raise Unfit(f"the key {'.'.join(keys)} is there {seen}; write it once, in block form")
    return found[0]


def _yaml_value(old, new):
    quote = old[:1] if old[:1] in ("'", '"') else ""
    plain = PLAIN.match(new) and new[0].isalpha() and not YAML_WORDS.match(new) and not new.endswith(":")
    if not quote and plain:
        return new
    if quote == "'":
        return "'" + new.replace("'", "''") + "'"
    return json.dumps(new, ensure_ascii=False)


def changed_json(text, settings):
    """A JSON file with these values at these dotted keys, in the order and with the indentation that it had."""
    try:
        data = json.loads(text, object_pairs_hook=_once)
    except ValueError as error:
        raise Unfit(f"it is no JSON ({error}); correct it") from None
    for dotted, new in settings.items():
        place, keys = data, dotted.split(".")
        for key in keys[:-1]:
            place = place.get(key) if isinstance(place, dict) else None
        if not isinstance(place, dict) or isinstance(place.get(keys[-1]), (dict, list)):
            raise Unfit(f"the key {dotted} is no text in it; write it there first")
        place[keys[-1]] = new
    inner = re.match(r"\s*\{\r?\n([ \t]+)", text)
    indent = inner.group(1) if inner else None
    separators = None if indent or ": " in text else (",", ":")
    made = json.dumps(data, ensure_ascii=False, indent=indent, separators=separators)
    return made + text[len(text.rstrip()) :]


def _once(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError("a key is there twice")
    return dict(pairs)


FORMS = {"env": changed_env, "yaml": changed_yaml, "json": changed_json}
NAMES = {
    "base_url": ["OPENAI_BASE_URL", "OPENAI_API_BASE"],
    "api_key": ["OPENAI_API_KEY"],
    "model": ["OPENAI_MODEL"],
}
"""Under which names programs look in a dotenv file when nothing else is said: those that are there, else the first."""


def wanted(text, consumer, values):
    """The file's settings: name or dotted key -> value."""
    settings = {}
    for what, value in values.items():
        said = consumer.get(what) or (NAMES[what] if consumer["format"] == "env" else [])
        names = [said] if isinstance(said, str) else list(said)
        there = env_names(text) if consumer["format"] == "env" else set()
        kept = [name for name in names if name in there] or names[:1] if consumer["format"] == "env" else names
        settings.update({name: value for name in kept})
    if not settings:
        raise Unfit("no key of it is named; give base_url, api_key or model")
    return settings


class Files:
    """A configuration file, and what is kept beside it."""

    def __init__(self, module, path):
        self._module = module
        self.path = os.path.realpath(path)

    def read(self):
        """Raises Unfit when it is missing or no small text file."""
        if not os.path.isfile(self.path):
            raise Unfit("it is not there; give the path that the program reads")
        if os.path.getsize(self.path) > MAX_BYTES:
            raise Unfit("it has more than 1 MiB; a configuration file is smaller")
        with open(self.path, "rb") as file:
            return file.read()

    def kept(self, ending):
        try:
            with open(self.path + ending, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def keep(self, ending, content):
        """Atomically, for root alone from its first byte on."""
        part = self._part(content)
        os.rename(part, self.path + ending)

    def write(self, content, service):
        """With owner and mode of the file that it replaces."""
        if service:
            self.keep(RESTART, service.encode())
        self._module.atomic_move(self._part(content), self.path)

    def restart(self):
        """Restart the program if it has not read the file yet. Raises Unfit when it would not start."""
        service = (self.kept(RESTART) or b"").decode()
        if service:
            code, out, err = self._module.run_command(["service", service, "restart"])
            if code:
                raise Unfit(f"{service} did not restart ({(err or out).strip()}); see why on the server")
            self.forget(RESTART)

    def forget(self, *endings):
        for ending in endings:
            if os.path.lexists(self.path + ending):
                os.unlink(self.path + ending)

    def _part(self, content):
        part = f"{self.path}.bascule-part"
        if os.path.lexists(part):
            os.unlink(part)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return part


def digest(content):
    return hashlib.sha256(content).hexdigest().encode()


def give(files, consumer, values, check):
    """Whether the file had to be changed. What stood in it first is kept before anything else happens."""
    present = files.read()
    try:
        text = present.decode()
    except UnicodeDecodeError:
        raise Unfit("it is not in UTF-8; convert it") from None
    made = FORMS[consumer["format"]](text, wanted(text, consumer, values)).encode()
    if made == present or check:
        return made != present
    before, after = files.kept(BEFORE), files.kept(AFTER)
    if before is None:
        files.keep(BEFORE, present)
    if before is None or present == before or digest(present) == after:
        files.keep(AFTER, digest(made))  # else others changed it in between: putting back would lose what they did
    files.write(made, consumer.get("restart"))
    return True


def put_back(files, consumer, check):
    """Whether there was something to put back. Raises Unfit when others changed the file since."""
    before = files.kept(BEFORE)
    if before is None:
        return False
    present = files.read()
    if present != before and digest(present) != files.kept(AFTER):
        kept = files.path + BEFORE
        raise Unfit(f"others changed it since; take over by hand what you need from {kept}, then remove that")
    if not check:
        if present != before:
            files.write(before, consumer.get("restart"))
        files.forget(BEFORE, AFTER)
    return present != before


def settle(module, consumer, values):
    """Change one file or put it back, and restart what reads it. Whether it had to be changed."""
    if not consumer.get("path", "").startswith("/") or consumer.get("format") not in FORMS:
        raise Unfit("a consumer has an absolute path, and the format env, yaml or json")
    files = Files(module, consumer["path"])
    if module.params["restore"]:
        changed = put_back(files, consumer, module.check_mode)
    else:
        changed = give(files, consumer, values, module.check_mode)
    if not module.check_mode:
        files.restart()
    return changed


def main():
    text = {"type": "str"}
    module = AnsibleModule(
        argument_spec={
            "consumers": {"type": "list", "elements": "dict", "required": True},
            "base_url": text,
            "api_key": {"type": "str", "no_log": True},
            "model": text,
            "restore": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    values = {name: module.params[name] for name in ("base_url", "api_key", "model") if module.params[name]}
    if any("\n" in value or "\r" in value or "\0" in value for value in values.values()):
        module.fail_json(msg="The address, the key or the model goes over several lines; give each in one.")
    changed, wrong = [], []
    for consumer in module.params["consumers"]:
        try:
            if settle(module, consumer, values):
                changed.append(consumer["path"])
        except (Unfit, OSError) as error:
            wrong.append(f"{consumer.get('path')}: {error}.")
    if wrong:
        module.fail_json(msg=" ".join(wrong), changed=bool(changed), paths=changed)
    module.exit_json(changed=bool(changed), paths=changed)


if __name__ == "__main__":
    main()
