"""The Outscale stand-in refuses what the vendor refuses: signatures, times, shapes and states."""

import importlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from providers.base import Secret
from providers.compute.outscale_connection import AccessKey
from tests.outscale_stand_in import ACCESS, REGION, SECRET, OutscaleStandIn, misfits, outscale_stand_in

MACHINE = {"ImageId": "ami-0d0b1202", "VmType": "t2.small", "BootOnCreation": False}


@pytest.fixture
def cloud() -> Iterator[OutscaleStandIn]:
    with outscale_stand_in() as stand_in:
        yield stand_in
        # What is sent here is wrong on purpose.
        stand_in.wrong[:] = [each for each in stand_in.wrong if "Request" not in each.split(":")[0]]


def signed(
    cloud: OutscaleStandIn,
    action: str,
    body: str,
    now: datetime | None = None,
    access: str = ACCESS,
    secret: str = SECRET,
    region: str = REGION,
) -> dict[str, str]:
    """The headers that let a request in, or not."""
    key = AccessKey(Secret(access), Secret(secret), region)
    return key.sign(f"/api/v1/{action}", urlsplit(cloud.url).netloc, body, now or datetime.now(UTC))


def post(cloud: OutscaleStandIn, action: str, body: Any, headers: dict[str, str] | None = None) -> requests.Response:
    text = json.dumps(body)
    sent = headers if headers is not None else signed(cloud, action, text)
    return requests.post(f"{cloud.block['url']}/{action}", data=text, headers=sent, timeout=5)


def refusal(answer: requests.Response) -> tuple[int, str, str]:
    """Status, code and type."""
    (error,) = answer.json()["Errors"]
    return answer.status_code, error["Code"], error["Type"]


DENIED = (401, "1", "AccessDenied")


class TestSignatures:
    """Each part of the signature counts."""

    def test_the_vendors_own_sdk_is_let_in(self, cloud: OutscaleStandIn) -> None:
        credentials = importlib.import_module("osc_sdk_python.credentials")
        authentication = importlib.import_module("osc_sdk_python.authentication")
        profile = credentials.Profile(access_key=ACCESS, secret_key=SECRET, region=REGION)
        signer = authentication.Authentication(profile, urlsplit(cloud.url).netloc)
        text = '{"Filters": {"VmIds": []}}'
        headers = signer.forge_headers_signed("/api/v1/ReadVms", text)
        answer = requests.post(f"{cloud.block['url']}/ReadVms", data=text, headers=headers, timeout=5)
        assert (answer.status_code, answer.json()["Vms"]) == (200, [])

    def test_both_sign_alike(self, cloud: OutscaleStandIn) -> None:
        assert post(cloud, "ReadVms", {}).status_code == 200

    @pytest.mark.parametrize(
        ("access", "secret", "region"),
        [("SOMEBODY", SECRET, REGION), (ACCESS, "another", REGION), (ACCESS, SECRET, "us-east-2")],
    )
    def test_another_key_is_refused(self, cloud: OutscaleStandIn, access: str, secret: str, region: str) -> None:
        headers = signed(cloud, "ReadVms", "{}", None, access, secret, region)
        assert refusal(post(cloud, "ReadVms", {}, headers)) == DENIED

    def test_a_body_that_was_changed_is_refused(self, cloud: OutscaleStandIn) -> None:
        assert refusal(post(cloud, "ReadVms", {"DryRun": True}, signed(cloud, "ReadVms", "{}"))) == DENIED

    def test_another_action_is_refused(self, cloud: OutscaleStandIn) -> None:
        assert refusal(post(cloud, "ReadVolumes", {}, signed(cloud, "ReadVms", "{}"))) == DENIED

    @pytest.mark.parametrize(("minutes", "accepted"), [(-14, True), (14, True), (-16, False), (16, False)])
    def test_old_and_future_requests_are_refused(self, cloud: OutscaleStandIn, minutes: int, accepted: bool) -> None:
        at = datetime.now(UTC) + timedelta(minutes=minutes)
        assert post(cloud, "ReadVms", {}, signed(cloud, "ReadVms", "{}", at)).ok is accepted

    @pytest.mark.parametrize(
        ("header", "value"),
        [
            ("Authorization", ""),
            ("Authorization", "Bearer x"),
            ("Authorization", "OSC4-HMAC-SHA256 Credential=a"),
            ("Host", "api.eu-west-2.outscale.com"),
            ("X-Osc-Date", "yesterday"),
        ],
    )
    def test_headers_that_are_not_as_signed_are_refused(self, cloud: OutscaleStandIn, header: str, value: str) -> None:
        headers = signed(cloud, "ReadVms", "{}") | {header: value}
        assert refusal(post(cloud, "ReadVms", {}, headers)) == DENIED


class TestRequests:
    """Parameters and states, with the vendor's codes."""

    @pytest.mark.parametrize(
        ("action", "body", "code"),
        [
            ("ReadVms", {"Foo": 1}, "3001"),
            ("ReadVms", {"Filters": {"Foo": []}}, "3001"),
            ("StartVms", {}, "7000"),
            ("StartVms", {"VmIds": []}, "7000"),
            ("DeleteVms", {"VmIds": "i-12345678"}, "4110"),
            ("CreateTags", {"ResourceIds": ["i-12345678"], "Tags": {"Key": "a", "Value": "b"}}, "4110"),
            ("StartVms", {"VmIds": ["foo"]}, "4104"),
            ("StartVms", {"VmIds": ["i-1234"]}, "4105"),
            ("StartVms", {"VmIds": ["i-12345678"]}, "5063"),
            ("CreateVms", {**MACHINE, "ImageId": "ami-12345678"}, "5023"),
            ("CreateVms", {**MACHINE, "VmType": "huge"}, "5024"),
            ("CreateVms", {**MACHINE, "UserData": "abc"}, "4047"),
            ("CreateVolume", {"SubregionName": "mars", "Size": 1}, "5009"),
            ("ReadVms", {"NextPageToken": "?"}, "4047"),
        ],
    )
    def test_what_is_wrong_is_refused(self, cloud: OutscaleStandIn, action: str, body: Any, code: str) -> None:
        status, said, _ = refusal(post(cloud, action, body))
        assert (status, said) == (400, code)
        assert cloud.written() == []

    def test_an_unknown_action_is_not_found(self, cloud: OutscaleStandIn) -> None:
        answer = post(cloud, "ReadUnknown", {}, signed(cloud, "ReadUnknown", "{}"))
        assert answer.status_code == 404

    def test_a_dry_run_changes_nothing(self, cloud: OutscaleStandIn) -> None:
        assert post(cloud, "CreateVms", {**MACHINE, "DryRun": True}).status_code == 200
        assert cloud.written() == []

    def test_a_machine_that_ended_lingers_and_cannot_move(self, cloud: OutscaleStandIn) -> None:
        vm = post(cloud, "CreateVms", {**MACHINE, "BootOnCreation": True}).json()["Vms"][0]
        cloud.fleet.settle()
        ids = {"VmIds": [vm["VmId"]]}
        assert post(cloud, "StartVms", ids).json()["Vms"][0]["CurrentState"] == "running"
        assert post(cloud, "DeleteVms", ids).json()["Vms"][0]["CurrentState"] == "shutting-down"
        cloud.fleet.settle()
        assert post(cloud, "ReadVms", {}).json()["Vms"][0]["State"] == "terminated"
        assert post(cloud, "DeleteVms", ids).status_code == 200
        assert refusal(post(cloud, "StartVms", ids)) == (409, "6003", "InvalidState")
        assert refusal(post(cloud, "UpdateVm", {"VmId": vm["VmId"], "UserData": ""}))[0] == 409

    def test_user_data_changes_only_while_stopped(self, cloud: OutscaleStandIn) -> None:
        vm = post(cloud, "CreateVms", {**MACHINE, "BootOnCreation": True}).json()["Vms"][0]
        cloud.fleet.settle()
        assert refusal(post(cloud, "UpdateVm", {"VmId": vm["VmId"], "UserData": ""})) == (409, "6003", "InvalidState")

    def test_the_machine_does_not_see_the_section_for_the_cloud(self, cloud: OutscaleStandIn) -> None:
        section = "LS0tLS1CRUdJTiBPVVRTQ0FMRSBTRUNUSU9OLS0tLS0KYT1iCi0tLS0tRU5EIE9VVFNDQUxFIFNFQ1RJT04tLS0tLQojIWhpCg=="
        post(cloud, "CreateVms", {**MACHINE, "UserData": section})
        (server,) = cloud.fleet.servers.values()
        assert server.user_data == {"cloud-init": b"#!hi\n"}


def test_the_description_is_held_strictly() -> None:
    assert misfits("ReadVmsRequest", {}) == []
    assert misfits("ReadVmsRequest", {"Foo": 1})
    assert misfits("DeleteVmsRequest", {"VmIds": "i-1"})
    assert misfits("ReadVmsResponse", {"Vms": [{"VmId": "i-1", "Foo": 1}]})
