"""Pixelfed's dialect: a network of pictures, so a status without one is refused, and `direct` ones do not exist.

Sources: github.com/pixelfed/pixelfed app/Util/Site/Nodeinfo.php, app/Http/Controllers/Api/ApiV1Controller.php
(`statusCreate`: refusals, a repeated Idempotency-Key; `instance`: the version that it claims); in maintenance
Laravel answers 503 (`php artisan down`). It takes no fields of a profile by this API.
"""

from providers.simulator.api_request import json_answer, page
from providers.simulator.fediverse import Dialect
from providers.simulator.http_service import Response


def _down() -> Response:
    return page(
        503,
        '<!DOCTYPE html><html lang="en"><head><title>Service Unavailable</title></head>'
        '<body><div class="flex-center"><div class="code">503</div><div class="message">Service Unavailable</div></div>'
        "</body></html>",
    )


PIXELFED = Dialect(
    software="pixelfed",
    version="0.12.6",
    api_version="3.5.3 (compatible; Pixelfed 0.12.6)",
    nodeinfo_path="/api/nodeinfo/2.0.json",
    maintenance=_down,
    outside_scope=lambda: json_answer(403, {"message": "Forbidden"}),
    keys="refused",
    visibilities=("public", "unlisted", "private"),
    no_direct=(400, "Direct visibility is not available."),
    needs_media=True,
    longest=500,
    most_fields=0,
)
