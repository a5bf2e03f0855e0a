"""Signature Version 4: how a request to AWS shows whose it is.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

import httpx

from providers.base import Secret

ALGORITHM = "AWS4-HMAC-SHA256"


def signed(
    method: str,
    url: httpx.URL,
    headers: Mapping[str, str],
    body: bytes,
    *,
    key: Secret,
    secret: Secret,
    region: str,
    service: str,
    at: datetime,
) -> dict[str, str | Secret]:
    """The headers with what proves them: `x-amz-date` and `Authorization`. `at`: UTC, within minutes of AWS's clock."""
    day, moment = at.strftime("%Y%m%d"), at.strftime("%Y%m%dT%H%M%SZ")
    sent = {**headers, "x-amz-date": moment}
    named = {name.lower(): " ".join(value.split()) for name, value in {**sent, "host": url.netloc.decode()}.items()}
    names = ";".join(sorted(named))
    query = "&".join(
        sorted(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in url.params.multi_items())
    )
    lines = [method, url.path, query, *(f"{name}:{named[name]}" for name in sorted(named)), "", names, _hash(body)]
    scope = f"{day}/{region}/{service}/aws4_request"
    told = "\n".join([ALGORITHM, moment, scope, _hash("\n".join(lines).encode())])
    derived = f"AWS4{secret.reveal()}".encode()
    for part in (day, region, service, "aws4_request"):
        derived = hmac.new(derived, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(derived, told.encode(), hashlib.sha256).hexdigest()
    proof = f"{ALGORITHM} Credential={key.reveal()}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**sent, "Authorization": Secret(proof)}


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
