"""The table of addresses, refreshed from the lists that companies publish."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.operations.request import RequestError
from providers.base import ProviderError
from providers.discovery.list_source import read_list
from providers.discovery.network_files import save_owners, shipped_owners
from providers.discovery.networks import NetworkOwner
from providers.discovery.published import read_published


def refresh_networks(data: Path, places: Sequence[str], now: float) -> list[NetworkOwner]:
    """Read these lists, files or URLs, each as `PLACE` or `NAME=PLACE`, and keep them; answers whose they are.

    Several lists of one owner are one. All are read before any is kept. Raises RequestError.
    """
    titles = {one.name: one.title for one in shipped_owners()}
    today = datetime.fromtimestamp(now, UTC).date().isoformat()
    read: dict[str, NetworkOwner] = {}
    try:
        for given in places:
            name, place = _named(given)
            for owner, prefixes in read_published(read_list(place), name, place).items():
                earlier = read.get(owner)
                source = f"{earlier.source} {place}" if earlier else place
                every = (*earlier.prefixes, *prefixes) if earlier else prefixes
                read[owner] = NetworkOwner(owner, titles.get(owner, owner), source, today, True, every)
        save_owners(data, read.values())
    except ProviderError as error:
        raise RequestError(error.message) from error
    except OSError as error:
        raise RequestError(
            f"The table of addresses could not be written to {data} ({error.strerror}): "
            "make room or correct its rights, then try again."
        ) from error
    return list(read.values())


def _named(given: str) -> tuple[str, str]:
    """`cloudflare=ips-v4` -> its name and place; a `=` within a URL or a path separates nothing."""
    name, found, place = given.partition("=")
    plain = found and name.replace("-", "").isalnum() and name == name.lower()
    return (name, place) if plain else ("", given)
