"""The private key that plays and probes enter servers with: whether it can be used without asking anybody."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from providers.base import Context
from providers.rights import Examination, Right, State, Subject

SHORT_RSA = 2048
"""Bits below which OpenSSH refuses an RSA key, by its RequiredRSASize on current systems."""


def examine(context: Context, subject: Subject) -> Examination:
    """Parse the key; nothing is contacted."""
    reference = str(context.scope["ssh"]["key"])
    text = context.reveal(reference).reveal().encode()
    load = serialization.load_ssh_private_key if b"OPENSSH PRIVATE KEY" in text else serialization.load_pem_private_key
    try:
        key = load(text, None)
    except TypeError:
        return subject.failed(reference, "The private key has a passphrase, which nobody types: store it without one.")
    except (ValueError, UnsupportedAlgorithm):
        # The error is not told: it may quote the key.
        return subject.failed(reference, "The private key can't be read: store what `ssh-keygen -t ed25519` writes.")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < SHORT_RSA:
        return subject.failed(reference, f"OpenSSH refuses an RSA key of {key.key_size} bits: make an ed25519 key.")
    return subject.found(reference, [Right("enter servers without a passphrase", State.HELD)])
