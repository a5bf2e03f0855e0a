"""What one vendor's object storage does its own way: options of a stand-in, never names of vendors in its code."""

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Dialect:
    """`host`: the name under which `bucket.host` is virtual-host addressing; empty: path-style only.

    `path_style`: whether the bucket may stand in the path. `max_parts`, `min_part`: parts of one upload, and bytes
    of all but the last. `versioning`, `locking`: whether the API has them at all (501 otherwise).
    `opaque_etags`: checksums are not MD5, as where the store encrypts with keys of its own (SSE-KMS).
    `url_listing`: whether listings honour `encoding-type`. `location`: a bucket's location must be the region.
    """

    host: str = ""
    path_style: bool = True
    max_parts: int = 10_000
    min_part: int = 5 * MIB
    versioning: bool = True
    locking: bool = True
    opaque_etags: bool = False
    url_listing: bool = True
    location: bool = False

    @property
    def encryption(self) -> str:
        """What the store says of how it encrypts."""
        return "aws:kms" if self.opaque_etags else ""
