import socket
import ssl
import urllib.request

import httpx
import requests

URL = "https://vendor.example"


def asked():
    # ruleid: certificate-not-checked, proxy-of-the-environment
    httpx.Client(verify=False)
    # ruleid: proxy-of-the-environment
    httpx.Client(timeout=5)
    # ruleid: proxy-of-the-environment
    httpx.get(URL)
    # ok: proxy-of-the-environment
    httpx.Client(timeout=5, trust_env=False)
    # ruleid: waits-for-ever
    requests.get(URL)
    # ok: waits-for-ever
    requests.get(URL, timeout=5)
    # ruleid: waits-for-ever
    httpx.Client(trust_env=False, timeout=None)


def opened():
    # ruleid: waits-for-ever
    urllib.request.urlopen(URL)
    # ok: waits-for-ever
    urllib.request.urlopen(URL, timeout=5)


def contexts():
    made = ssl.create_default_context()
    # ruleid: certificate-not-checked
    made.check_hostname = False
    # ruleid: certificate-not-checked
    made.verify_mode = ssl.CERT_NONE
    # ruleid: certificate-not-checked
    return ssl._create_unverified_context()


# ruleid: host-key-not-checked
OPTIONS = ["-o", "StrictHostKeyChecking=no"]
# ruleid: host-key-not-checked
MORE = ["-o", "UserKnownHostsFile=/dev/null"]
# ok: host-key-not-checked
KEPT = ["-o", "StrictHostKeyChecking=accept-new"]


def listening(port):
    made = socket.socket()
    # ruleid: listens-everywhere
    made.bind(("", port))
    # ruleid: listens-everywhere
    socket.create_server(("0.0.0.0", port), backlog=5)
    # ok: listens-everywhere
    made.bind(("127.0.0.1", port))
