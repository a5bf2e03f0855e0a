"""Mastodon's dialect: it keeps an Idempotency-Key for an hour, and has `/health`.

Sources: https://docs.joinmastodon.org/methods/statuses/, …/accounts/, …/instance/, …/health/;
github.com/mastodon/mastodon app/services/post_status_service.rb (keys), dist/nginx.conf (error page).
The client Mastodon.py 2.3.3 posts (also twice with one key), finds, deletes and changes a profile here; its
`instance_health` alone says no, as it knows only the texts of older servers.
"""

from providers.simulator.api_request import page
from providers.simulator.fediverse import Dialect, outside_scope
from providers.simulator.http_service import Response


def _unwell() -> Response:
    """What its nginx shows while the application behind it is away: public/500.html."""
    return page(
        503,
        "<!DOCTYPE html><html lang=en><head><title>We're sorry, but something went wrong</title></head>"
        "<body class=error><h1>We're sorry, but something went wrong on our end.</h1></body></html>",
    )


MASTODON = Dialect(
    software="mastodon",
    version="4.5.2",
    api_version="4.5.2",
    nodeinfo_path="/nodeinfo/2.0",
    maintenance=_unwell,
    outside_scope=outside_scope,
    health=True,
    api_level=7,
)
