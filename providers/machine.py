"""What the configuration of this machine relies on outside: resolvers, time servers, package sources. Reads only."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

_RESOLVERS = ("etc/resolv.conf", "run/systemd/resolve/resolv.conf")
"""The second has the resolvers behind systemd's own, which listens on loopback."""
_NTP = (
    "etc/chrony.conf",
    "etc/chrony/chrony.conf",
    "etc/chrony/conf.d/*.conf",
    "etc/chrony/sources.d/*.sources",
    "etc/ntp.conf",
    "etc/ntpsec/ntp.conf",
)
_TIMESYNCD = ("etc/systemd/timesyncd.conf", "etc/systemd/timesyncd.conf.d/*.conf")
_APT = ("etc/apt/sources.list", "etc/apt/sources.list.d/*.list", "etc/apt/sources.list.d/*.sources")
_SERVER = re.compile(r"^(?:server|pool|peer)\s+([^\s#]+)")
_ONE_LINE = re.compile(r"^deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?(\S+)")


def resolvers(root: Path = Path("/")) -> list[str]:
    """Addresses that the machine asks for names; those on loopback are left out."""
    found = [
        words[1] for line in _lines(root, _RESOLVERS) if len(words := line.split()) > 1 and words[0] == "nameserver"
    ]
    return _unique(address for address in found if not address.startswith("127.") and address != "::1")


def time_servers(root: Path = Path("/")) -> list[str]:
    """Hosts that chrony, ntpd or systemd-timesyncd take the time from.

    Without servers of its own timesyncd uses those that it was built with, which its file shows in a comment.
    """
    named = [match[1] for line in _lines(root, _NTP) if (match := _SERVER.match(line))]
    synced = [*_lines(root, _TIMESYNCD)]
    own = [*_values(synced, "NTP"), *_values(synced, "FallbackNTP")]
    return _unique([*named, *(own or ([] if named else _values(synced, "#FallbackNTP")))])


def package_sources(root: Path = Path("/")) -> list[str]:
    """Hosts that apt takes packages from, as one-line entries and deb822 name them."""
    lines = [*_lines(root, _APT)]
    urls = [match[1] for line in lines if (match := _ONE_LINE.match(line))]
    urls += [url for line in lines if line.startswith("URIs:") for url in line.split()[1:]]
    return _unique(host for url in urls if (host := urlsplit(url).hostname))


def _lines(root: Path, patterns: Sequence[str]) -> Iterator[str]:
    """The lines of every file that is there and can be read."""
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            try:
                yield from map(str.strip, path.read_text(encoding="utf-8", errors="replace").splitlines())
            except OSError:
                continue


def _values(lines: Sequence[str], key: str) -> list[str]:
    return [word for line in lines if line.startswith(f"{key}=") for word in line.partition("=")[2].split()]


def _unique(names: "Iterator[str] | list[str]") -> list[str]:
    return list(dict.fromkeys(names))
