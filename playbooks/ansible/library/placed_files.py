"""Ansible module: makes files be exactly so, many in one task; each is replaced whole, with its mode, and root's.

`prune` are patterns of names: what fits one of them and is not among the files goes away, so that a file that is no
longer wanted does not live on. Answers `changed_paths`, the files that were written or went.
"""

import glob
import os

from ansible.module_utils.basic import AnsibleModule


def differs(path, content, mode):
    """Whether the file is not there with this content and this mode."""
    try:
        with open(path, "rb") as file:
            return file.read() != content or os.path.islink(path) or os.stat(path).st_mode & 0o7777 != mode
    except OSError:
        return True


def place(path, content, mode):
    """Replace it atomically; nobody else can read it before it has its mode."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    part = path + ".bascule-part"
    if os.path.lexists(part):
        os.unlink(part)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
    os.rename(part, path)


def main():
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "no_log": True},
            "prune": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    wanted = {one["path"]: (one["content"].encode(), int(one.get("mode", "0644"), 8)) for one in module.params["files"]}
    changed = [path for path, (content, mode) in wanted.items() if differs(path, content, mode)]
    stale = sorted({path for pattern in module.params["prune"] for path in glob.glob(pattern)} - wanted.keys())
    if not module.check_mode:
        for path in changed:
            place(path, *wanted[path])
        for path in stale:
            os.unlink(path)
    module.exit_json(changed=bool(changed or stale), changed_paths=changed + stale)


if __name__ == "__main__":
    main()
