"""The old portal website: it serves the objects of a bucket."""

from dataclasses import dataclass
from html import escape

from providers.simulator.http_service import Request, Response
from providers.simulator.s3_store import Store, StoreError

SERVED_BY = {"X-Served-By": "old"}


@dataclass(frozen=True, slots=True)
class Portal:
    """Answers GET and HEAD from one bucket; a path that ends in `/` means its index.html."""

    store: Store
    bucket: str

    def handle(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return Response(405, b"", SERVED_BY | {"Allow": "GET, HEAD"})
        key = request.decoded_path.removeprefix("/")
        if not key or key.endswith("/"):
            key += "index.html"
        try:
            found = self.store.get(self.bucket, key)
        except StoreError:
            page = f"<!doctype html><title>404</title><p>{escape(key)} : page introuvable.</p>\n".encode()
            return Response(404, page, SERVED_BY | {"Content-Type": "text/html; charset=utf-8"})
        return Response(200, found.data, SERVED_BY | {"Content-Type": found.content_type, "ETag": f'"{found.etag}"'})
