"""What a signature in Git covers: a commit or tag as it is stored, taken apart into text and signature. Pure.

A commit carries its signature in the header `gpgsig`, and what is signed is the commit without it; a tag carries it
at its end, and what is signed is all that stands before (git, Documentation/gitformat-signature.txt).
"""

from dataclasses import dataclass

BEGINS = b"-----BEGIN SSH SIGNATURE-----"
_OTHERS = (b"-----BEGIN PGP SIGNATURE-----", b"-----BEGIN PGP MESSAGE-----", b"-----BEGIN SIGNED MESSAGE-----")
_HEADERS = (b"gpgsig", b"gpgsig-sha256")


class NotSigned(Exception):
    """There is no signature that counts; the text says why, as the end of a sentence about the object."""


@dataclass(frozen=True, slots=True)
class Signed:
    """`text`: the bytes that were signed. `armor`: the SSH signature, as text."""

    text: bytes
    armor: bytes


def signed_commit(stored: bytes) -> Signed:
    """The commit's own signature. Raises NotSigned, also for a commit that could be read in two ways."""
    head, gap, message = stored.partition(b"\n\n")
    kept: list[bytes] = []
    found: list[list[bytes]] = []
    inside = False
    for line in head.split(b"\n"):
        name, _, value = line.partition(b" ")
        if line.startswith(b" "):
            (found[-1] if inside else kept).append(value if inside else line)
            continue
        inside = name in _HEADERS
        if inside:
            found.append([value])
        else:
            kept.append(line)
    if not found:
        raise NotSigned("is not signed")
    if len(found) > 1:
        raise NotSigned("has more than one signature of its own, of which only one could be meant")
    return Signed(b"\n".join(kept) + gap + message, _ssh(b"\n".join(found[0]) + b"\n"))


def signed_tag(stored: bytes, name: str, commit: str) -> Signed:
    """The signature of a tag of this name on this commit; both stand in what is signed. Raises NotSigned."""
    head, _, _ = stored.partition(b"\n\n")
    lines = head.split(b"\n")
    if lines[:3] != [f"object {commit}".encode(), b"type commit", f"tag {name}".encode()]:
        raise NotSigned("was made under another name, or for another commit")
    at = stored.rfind(b"\n" + BEGINS)
    if at < 0:
        raise NotSigned("is not signed" if not any(b"\n" + one in stored for one in _OTHERS) else _FOREIGN)
    return Signed(stored[: at + 1], stored[at + 1 :])


_FOREIGN = "is signed, but not with an SSH key: `git config gpg.format ssh`"


def _ssh(armor: bytes) -> bytes:
    if not armor.startswith(BEGINS):
        raise NotSigned(_FOREIGN)
    return armor
