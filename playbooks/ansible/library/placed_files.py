"""Ansible module: makes files be exactly so, many in one task; each is replaced whole, with its mode and its owner.

A file is root's where no `owner` is said; its group is then root too, or the `group` that is.

`prune` are patterns of names: what fits one of them and is not among the files goes away, so that a file that is no
longer wanted does not live on. Answers `changed_paths`, the files that were written or went.
"""

import glob
import grp
import os
import pwd

from ansible.module_utils.basic import AnsibleModule


class Wanted:
    """A file as it shall be."""

    def __init__(self, said):
        self.path = said["path"]
        self.content = said["content"].encode()
        self.mode = int(said.get("mode", "0644"), 8)
        self.user = pwd.getpwnam(said["owner"]).pw_uid if said.get("owner") else os.getuid()
        self.group = grp.getgrnam(said["group"]).gr_gid if said.get("group") else os.getgid()

    def differs(self):
        """Whether the file is not there as it shall be."""
        try:
            found = os.lstat(self.path)
            with open(self.path, "rb") as file:
                there = (file.read(), found.st_mode & 0o7777, found.st_uid, found.st_gid)
        except OSError:
            return True
        return os.path.islink(self.path) or there != (self.content, self.mode, self.user, self.group)

    def place(self):
        """Replace it atomically; nobody else can read it before it is as it shall be."""
        os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
        part = self.path + ".bascule-part"
        if os.path.lexists(part):
            os.unlink(part)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(self.content)
            os.fchown(file.fileno(), self.user, self.group)
            os.fchmod(file.fileno(), self.mode)
            file.flush()
            os.fsync(file.fileno())
        os.rename(part, self.path)


def main():
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "no_log": True},
            "prune": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        wanted = [Wanted(one) for one in module.params["files"]]
    except KeyError as error:
        module.fail_json(msg=f"A file shall belong to somebody who is not here: {error}.")
    changed = [one for one in wanted if one.differs()]
    names = {one.path for one in wanted}
    stale = sorted({path for pattern in module.params["prune"] for path in glob.glob(pattern)} - names)
    if not module.check_mode:
        for one in changed:
            one.place()
        for path in stale:
            os.unlink(path)
    changed_paths = [one.path for one in changed] + stale
    module.exit_json(changed=bool(changed_paths), changed_paths=changed_paths)


if __name__ == "__main__":
    main()
