"""What every action of the S3 stand-in is given: the store behind it, and one request taken apart."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from providers.simulator.effects import EffectLog
from providers.simulator.http_service import Request, Response
from providers.simulator.s3_dialect import Dialect
from providers.simulator.s3_store import Store
from providers.simulator.s3_uploads import Uploads

META = "x-amz-meta-"


@dataclass(frozen=True, slots=True)
class Desk:
    """One store's front: `name` is the service's name in effects."""

    name: str
    store: Store
    uploads: Uploads
    effects: EffectLog
    dialect: Dialect
    region: str

    def record(self, action: str, target: str, metadata: Mapping[str, str] | None = None) -> None:
        tag = ", ".join(f"{name}={value}" for name, value in (metadata or {}).items())
        self.effects.add(self.name, action, target, tag)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for a bucket or an object, its names decoded."""

    request: Request
    bucket: str
    key: str
    query: dict[str, str]

    @property
    def where(self) -> str:
        return f"{self.bucket}/{self.key}"

    @property
    def version(self) -> str | None:
        return self.query.get("versionId")

    def header(self, name: str) -> str:
        return str(self.request.headers.get(name, ""))

    @property
    def metadata(self) -> dict[str, str]:
        return {
            name.lower().removeprefix(META): value
            for name, value in self.request.headers.items()
            if name.lower().startswith(META)
        }

    @property
    def content_type(self) -> str:
        return self.header("Content-Type") or "binary/octet-stream"


Action = Callable[[Desk, Ask], Response]
