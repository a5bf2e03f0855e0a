"""The credentials the stand-ins check, written where the estate's `secret://` references are looked up."""

import base64
import os
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Credentials:
    """One simulator's secrets; `ssh_public` is what its servers let in as root."""

    scaleway_token: str
    openstack_credential: str
    openstack_secret: str
    outscale_access: str
    outscale_secret: str
    ovh_application_key: str
    ovh_application_secret: str
    ovh_consumer_key: str
    dns_tsig: str
    source_access: str
    source_secret: str
    target_access: str
    target_secret: str
    gandi_token: str
    canary_password: str
    onlyoffice_jwt: str
    livekit_key: str
    livekit_secret: str
    keycloak_secret: str
    mistral_key: str
    social_token: str
    ssh_public: str

    def __repr__(self) -> str:
        return "Credentials(…)"


def kept(folder: Path) -> Credentials:
    """The secrets of the folder, those missing made and written (0600), so that a restart keeps them."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    private = _kept(folder / "ssh-key", _new_ssh_key())
    key = serialization.load_ssh_private_key(private.encode(), None)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return Credentials(
        scaleway_token=_kept(folder / "scaleway-token", str(uuid.uuid4())),
        openstack_credential=_kept(folder / "openstack-credential", uuid.uuid4().hex),
        openstack_secret=_kept(folder / "openstack-secret", secrets.token_urlsafe(48)),
        outscale_access=_kept(folder / "outscale-access", secrets.token_hex(10).upper()),
        outscale_secret=_kept(folder / "outscale-secret", secrets.token_hex(20).upper()),
        ovh_application_key=_kept(folder / "ovh-application-key", secrets.token_hex(8)),
        ovh_application_secret=_kept(folder / "ovh-application-secret", secrets.token_hex(16)),
        ovh_consumer_key=_kept(folder / "ovh-consumer-key", secrets.token_hex(16)),
        dns_tsig=_kept(folder / "dns-tsig", base64.b64encode(secrets.token_bytes(32)).decode()),
        source_access=_kept(folder / "source-access", f"AKIA{secrets.token_hex(8).upper()}"),
        source_secret=_kept(folder / "source-secret", secrets.token_urlsafe(30)),
        target_access=_kept(folder / "target-access", f"SCW{secrets.token_hex(8).upper()}"),
        target_secret=_kept(folder / "target-secret", str(uuid.uuid4())),
        gandi_token=_kept(folder / "gandi-token", secrets.token_hex(20)),
        canary_password=_kept(folder / "nextcloud-canary", secrets.token_urlsafe(24)),
        onlyoffice_jwt=_kept(folder / "onlyoffice-jwt", secrets.token_urlsafe(32)),
        livekit_key=_kept(folder / "livekit-key", f"API{secrets.token_hex(6)}"),
        livekit_secret=_kept(folder / "livekit-secret", secrets.token_urlsafe(32)),
        keycloak_secret=_kept(folder / "keycloak-canary", secrets.token_urlsafe(24)),
        mistral_key=_kept(folder / "mistral-key", secrets.token_urlsafe(24)),
        social_token=_kept(folder / "social-token", secrets.token_urlsafe(32)),
        ssh_public=f"{public.decode()} bascule",
    )


def _kept(path: Path, new: str) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(new)
        return new


def _new_ssh_key() -> str:
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
        .decode()
    )
