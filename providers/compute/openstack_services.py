"""Connections to Keystone and to the services behind it: one token, shown only where the scope allows.

Libcloud's own would authenticate once per service, follow the catalogue anywhere,
take Keystone's 500 for an answer, and judge a token's end by this machine's clock.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from libcloud.common.openstack import OpenStackResponse
from libcloud.common.openstack_identity import OpenStackAuthResponse, OpenStackIdentity_3_0_Connection_AppCred
from libcloud.common.types import MalformedResponseError
from libcloud.compute.drivers.openstack import OpenStack_2_Connection

from providers.base import Secret
from providers.compute.openstack_endpoints import Place, Service, endpoint_of
from providers.vendor_http import DirectConnection, RefusedError, VendorConnection, not_its_own, repeated


class _Json:
    """Answers are JSON, and refusals become RefusedError with the service's own word for them."""

    status: int
    body: Any
    headers: Any
    error: Any

    def success(self) -> bool:
        return 200 <= int(self.status) <= 299

    def parse_body(self) -> Any:
        """Raises MalformedResponseError, without the text: it may hold what a create was given."""
        if int(self.status) == 204 or not self.body:
            return None
        try:
            return json.loads(self.body)
        except ValueError:
            raise MalformedResponseError("an answer that is not JSON") from None

    def parse_error(self) -> str:
        kind, message, details = told(self.body or "")
        raise RefusedError(
            int(self.status), message or str(self.error or "no reason given"), self.headers, kind, details
        )


class ServiceResponse(_Json, OpenStackResponse):
    """An answer of Nova, Cinder, Neutron or Glance."""


class KeystoneResponse(_Json, OpenStackAuthResponse):
    """An answer of Keystone; libcloud's class takes 401 and 500 for good ones."""


def told(body: str) -> tuple[str, str, Any]:
    """Kind, message and details of a refusal.

    Nova and Cinder: `{"badRequest": {"code", "message"}}`, Neutron:
    `{"NeutronError": {"type", "message", "detail"}}`, Keystone: `{"error": …}`;
    Glance and gateways answer with a page.
    """
    try:
        found = json.loads(body)
    except ValueError:
        return "", "", None
    if not isinstance(found, dict) or not found:
        return "", "", None
    kind, inner = next(iter(found.items()))
    if not isinstance(inner, dict):
        return kind, str(inner), None
    return str(inner.get("type") or kind), str(inner.get("message", "")), inner


class OwnAnswers(VendorConnection):
    """Takes for an answer only what one of OpenStack's services can have said."""

    def send_once(self, *args: Any, **kwargs: Any) -> Any:
        """Raises MalformedResponseError also for a success without a body: theirs are 202 and 204, a gateway's 200."""
        answer = super().send_once(*args, **kwargs)
        if not answer.body and int(answer.status) not in {202, 204}:
            raise not_its_own(self.driver)
        return answer


class Keystone(OwnAnswers, OpenStackIdentity_3_0_Connection_AppCred):
    """Identity API v3 with an application credential: one token for all services of a driver.

    The token is kept until it is refused. Its end is not compared with this
    machine's clock, which may be wrong.
    """

    responseCls = KeystoneResponse  # noqa: N815 (libcloud's name)

    def __init__(self, driver: Any, place: Place, credential: Secret, secret: Secret) -> None:
        super().__init__(auth_url=place.keystone.base, user_id="", key="")  # type: ignore[no-untyped-call]
        self.driver = driver
        self._credential, self._secret = credential, secret
        self.token: Secret | None = None
        self.catalogue: list[Any] = []
        self.project = ""
        self.told: Mapping[str, Any] = {}
        """What the token is: `roles`, `user`, `application_credential`."""
        self.connect()

    def authenticated(self) -> Secret:
        """The token; asked for when there is none."""
        if self.token is None:
            body = json.dumps(self._get_auth_data())
            try:
                answer = self.request("/v3/auth/tokens", data=body, method="POST")
            finally:
                # Libcloud keeps the last body in plain sight, and this one holds the secret.
                self.data = None
            self._take(answer.object, answer.headers)
        assert self.token is not None
        return self.token

    def itself(self) -> Mapping[str, Any]:
        """The application credential as Keystone has it. Raises RefusedError when it may not look at itself."""
        user = str((self.told.get("user") or {}).get("id", ""))
        path = f"/v3/users/{quote(user, safe='')}/application_credentials/{quote(self._credential.reveal(), safe='')}"
        answer = self.request(path, headers={"X-Auth-Token": self.authenticated().reveal()})
        found = answer.object.get("application_credential") if isinstance(answer.object, dict) else None
        if not isinstance(found, dict):
            raise MalformedResponseError("an answer without an application credential")
        return found

    def clear_cached_auth_context(self) -> None:
        """The token was refused; the next request asks for another. Libcloud calls it on each 401."""
        self.token = None

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Asking for a token changes nothing of ours, so it is repeated as a read is."""
        return repeated(self.driver.deadline)(self.send_once, *args, **kwargs)

    def _get_auth_data(self) -> dict[str, Any]:
        told = {"id": self._credential.reveal(), "secret": self._secret.reveal()}
        return {"auth": {"identity": {"methods": ["application_credential"], "application_credential": told}}}

    def _take(self, body: Any, headers: Any) -> None:
        try:
            token = body["token"]
            self.catalogue = list(token["catalog"])
            self.project = str(token["project"]["id"])
            self.told = _shown(token)
            self.token = Secret(headers["x-subject-token"])
        except (KeyError, TypeError):
            raise MalformedResponseError("an answer without a token, a project and a catalogue") from None


def _shown(token: Mapping[str, Any]) -> dict[str, Any]:
    """What a token says of its credential, without the credential's id: that is half of what opens the cloud."""
    told = token.get("application_credential") or {}
    shown = {name: value for name, value in told.items() if name != "id"}
    return {"roles": token.get("roles"), "user": token.get("user"), "application_credential": shown}


class ServiceConnection(OwnAnswers, OpenStack_2_Connection):
    """Requests to one service, at the endpoint that scope and catalogue agree on."""

    responseCls = ServiceResponse  # type: ignore[assignment]  # noqa: N815 (libcloud's name)
    service = Service.COMPUTE

    def connect(self, *_: Any, **__: Any) -> None:
        """Nothing yet: the endpoint is known after authentication."""

    def get_auth_class(self) -> Keystone:
        """The driver's one Keystone."""
        keystone: Keystone = self.driver.keystone
        return keystone

    def request(  # type: ignore[override]
        self,
        action: str,
        params: Any = None,
        data: Any = "",
        headers: Any = None,
        method: str = "GET",
        raw: bool = False,
    ) -> Any:
        """As VendorConnection's; once more with a new token when the old one has ended: 401 did nothing."""
        asked = {"params": params, "data": data, "headers": headers, "method": method, "raw": raw}
        for last in (False, True):
            self._find()
            try:
                return super().request(action, **asked)
            except RefusedError as error:
                if last or error.code != 401:
                    raise
        raise AssertionError("the second answer was returned or raised")

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        headers["X-Auth-Token"] = self.get_auth_class().authenticated().reveal()
        headers["Accept"] = "application/json"
        return headers

    def _find(self) -> None:
        """Authenticate, and point at the service when that was not done before."""
        keystone = self.get_auth_class()
        keystone.authenticated()
        if self.connection is None:
            endpoint = endpoint_of(self.driver.place, self.service, keystone.catalogue, keystone.project)
            self.host, self.port, self.request_path = endpoint.host, endpoint.port, endpoint.path
            self.connection = DirectConnection(endpoint, self.driver.deadline)

    @property
    def wrote(self) -> bool:
        """Whether this driver wrote anything, to whichever service."""
        return bool(self.driver.wrote)

    @wrote.setter
    def wrote(self, value: bool) -> None:
        self.driver.wrote = value


class VolumeConnection(ServiceConnection):
    service = Service.VOLUME


class NetworkConnection(ServiceConnection):
    service = Service.NETWORK


class ImageConnection(ServiceConnection):
    service = Service.IMAGE
