"""What a scope may say of an OpenStack cloud."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from orchestrator.domain.scope import Compute, OpenStackCompute

READ: TypeAdapter[Any] = TypeAdapter(Compute)
BLOCK: dict[str, Any] = {
    "driver": "openstack",
    "url": "https://auth.cloud.ovh.net/v3",
    "region": "GRA11",
    "credential": "secret://openstack-credential",
    "secret": "secret://openstack-secret",
}


def test_the_least_and_the_most() -> None:
    assert isinstance(READ.validate_python(BLOCK), OpenStackCompute)
    more = {
        "domain": "cloud.ovh.net",
        "endpoints": {"compute": "https://nova.example.eu/v2.1"},
        "interface": "internal",
        "network": "Ext-Net",
        "floating_network": "public",
        "availability_zone": "nova",
        "images": {"ubuntu-24.04": "Ubuntu 24.04 LTS"},
        "ssh_key": "bascule",
        "ca": "/etc/ssl/own.pem",
        "concurrency": 4,
    }
    assert READ.validate_python({**BLOCK, **more}).images == {"ubuntu-24.04": "Ubuntu 24.04 LTS"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "hunter2"},
        {"domain": "net"},
        {"domain": "*.cloud.ovh.net"},
        {"endpoints": {"cinder": "https://a.example"}},
        {"endpoints": {"compute": "https://user:pass@a.example"}},
        {"interface": "admin"},
        {"region": "a b"},
        {"token": "secret://t"},
    ],
)
def test_what_is_wrong_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        READ.validate_python({**BLOCK, **wrong})
