"""What an access key of Outscale may do, asked of the vendor action by action without doing any of it.

`DryRun` makes the API check "whether you have the required permissions to perform the action", and nothing else
(the vendor's OpenAPI description 1.42): 200 when they are there, 401 with code 4, 5 or 7 when not, code 1 for a wrong
key. Every request names things that do not exist, so that even one that was carried out would do nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from providers.base import Context
from providers.compute.outscale import OutscaleDriver
from providers.compute.rights import REFUSED, examined
from providers.rights import Examination, Right, State, Subject
from providers.vendor_http import RefusedError

NOT_ALLOWED = frozenset({"4", "5", "7"})
"""ErrorUnauthorizedOperation, ErrorNotAuthorized, ErrorUserNotAllowed (the vendor's list of errors)."""
VM, VOLUME, SNAPSHOT, GROUP = "i-00000000", "vol-00000000", "snap-00000000", "sg-00000000"
NET, IMAGE, ADDRESS = "vpc-00000000", "ami-00000000", "eipalloc-00000000"
NOBODY = "bascule-asks-for-nobody"

USED: dict[str, Mapping[str, Any]] = {
    "CreateSecurityGroup": {"SecurityGroupName": NOBODY, "Description": NOBODY, "NetId": NET},
    "CreateSecurityGroupRule": {
        "SecurityGroupId": GROUP,
        "Flow": "Inbound",
        "Rules": [{"IpProtocol": "tcp", "FromPortRange": 22, "ToPortRange": 22, "IpRanges": ["192.0.2.1/32"]}],
    },
    "CreateSnapshot": {"VolumeId": VOLUME},
    "CreateTags": {"ResourceIds": [VM], "Tags": [{"Key": NOBODY, "Value": ""}]},
    "CreateVms": {"ImageId": IMAGE},
    "CreateVolume": {"SubregionName": "nowhere", "Size": 1},
    "DeletePublicIp": {"PublicIpId": ADDRESS},
    "DeleteSecurityGroup": {"SecurityGroupId": GROUP},
    "DeleteSnapshot": {"SnapshotId": SNAPSHOT},
    "DeleteVms": {"VmIds": [VM]},
    "DeleteVolume": {"VolumeId": VOLUME},
    "LinkVolume": {"DeviceName": "/dev/xvdb", "VmId": VM, "VolumeId": VOLUME},
    "StartVms": {"VmIds": [VM]},
    "StopVms": {"VmIds": [VM]},
    "UnlinkVolume": {"VolumeId": VOLUME},
    "UpdateVm": {"VmId": VM},
}
"""The writes of the driver, with what is asked for."""
NEVER_USED: dict[str, Mapping[str, Any]] = {
    "CreateAccessKey": {"UserName": NOBODY},
    "DeleteAccessKey": {"AccessKeyId": "AAAAAAAAAAAAAAAAAAAA", "UserName": NOBODY},
    "DeleteImage": {"ImageId": IMAGE},
    "DeleteLoadBalancer": {"LoadBalancerName": NOBODY},
    "DeleteNet": {"NetId": NET},
    "DeleteUser": {"UserName": NOBODY},
    "PutUserPolicy": {"PolicyDocument": "{}", "PolicyName": NOBODY, "UserName": NOBODY},
}
"""What would do the most harm in other hands, and the driver never does."""


def examine(context: Context, subject: Subject) -> Examination:
    """The reads of every cloud, then a dry run of each write."""
    return examined(
        context,
        subject,
        stranger=lambda _, error: error.code in REFUSED and error.kind not in NOT_ALLOWED,
        introspect=_dry_runs,
        advice="Add it to the EIM policy as docs/credentials.md says.",
    )


def _dry_runs(driver: OutscaleDriver, subject: Subject) -> Iterable[Right]:
    del subject
    yield from (_used(driver, action) for action in USED)
    yield from _beyond(driver)


def _used(driver: OutscaleDriver, action: str) -> Right:
    name = f"api:{action}"
    match _may(driver, action, USED[action]):
        case True:
            return Right(name, State.HELD)
        case False:
            return Right(name, State.MISSING, "Add it to the EIM policy as docs/credentials.md says.")
        case _:
            return Right(name, State.UNKNOWN, "The vendor refused the question itself; a run will show it.")


def _beyond(driver: OutscaleDriver) -> Iterator[Right]:
    for action, asked in NEVER_USED.items():
        if _may(driver, action, asked):
            yield Right(f"api:{action}", State.NEEDLESS, "Narrow the EIM policy to the one of docs/credentials.md.")


def _may(driver: OutscaleDriver, action: str, asked: Mapping[str, Any]) -> bool | None:
    """Whether this key may do it; None when the answer is about the request instead. Raises RefusedError for others."""
    try:
        driver.connection.call(action, DryRun=True, **asked)
    except RefusedError as error:
        if error.code in REFUSED and error.kind in NOT_ALLOWED:
            return False
        if error.code in {400, 404, 409}:
            return None
        raise
    return True
