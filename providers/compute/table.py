"""The clouds that servers can be made at: one line a driver, imported when it is first used."""

CLOUDS: dict[str, str] = {
    "openstack": "providers.compute.openstack:connect",
    "outscale": "providers.compute.outscale:connect",
    "ovhcloud": "providers.compute.ovhcloud:connect",
    "scaleway": "providers.compute.scaleway:connect",
}
"""`driver` of a `compute` block: the function that makes it."""
