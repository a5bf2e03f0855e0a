import hashlib
import hmac
import logging
import random
import secrets
import uuid

log = logging.getLogger(__name__)


def told(token):
    # ruleid: secret-told
    log.info("with %s", token.reveal())
    # ruleid: secret-told
    print(f"with {token.reveal()}")
    # ruleid: secret-told
    raise ValueError(f"{token.reveal()} is wrong")


def quiet(token):
    # ok: secret-told
    log.info("with %s", token)


def same(token, given, body):
    # ruleid: secret-compared-slowly
    if token.reveal() == given:
        return True
    # ruleid: secret-compared-slowly
    if hmac.new(token, body, hashlib.sha256).hexdigest() != given:
        return False
    # ruleid: secret-compared-slowly
    if given == hmac.new(token, body, hashlib.sha256).digest():
        return True
    # ok: secret-compared-slowly
    if given == hashlib.sha256(body).hexdigest():
        return True
    # ok: secret-compared-slowly
    return hmac.compare_digest(token.reveal(), given)


# ruleid: guessable
TOKEN = random.choice("abc")
# ruleid: guessable
NAME = uuid.uuid1()
# ok: guessable
BETTER = secrets.token_urlsafe(32)

# ruleid: weak-hash
SUM = hashlib.md5(b"x")
# ruleid: weak-hash
OTHER = hashlib.sha1(b"x", b"y")
# ok: weak-hash
ASKED_FOR = hashlib.md5(b"x", usedforsecurity=False)
