"""What an AWS access key may do with the account that is inventoried: EC2 by dry runs, S3 and Route 53 by their lists.

EC2's `DryRun` "checks whether you have the required permissions for the action, without actually making the request":
412 DryRunOperation when they are there, 403 UnauthorizedOperation when not (EC2 API reference, "Common query
parameters"). What is asked about is a machine that does not exist.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from providers.base import Context
from providers.compute.aws import Ec2Driver
from providers.rights import Examination, Right, State, Subject
from providers.sources.aws_account import Account
from providers.vendor_http import Deadline, RefusedError

POLICY = "Attach the policy of docs/credentials.md to its user."
NARROW = "The inventory only reads: leave its user the policy of docs/credentials.md alone."
ALLOWED = "DryRunOperation"
DENIED = frozenset({"UnauthorizedOperation", "AccessDenied", "AccessDeniedException"})
STRANGER = frozenset(
    {"AuthFailure", "InvalidAccessKeyId", "InvalidClientTokenId", "SignatureDoesNotMatch", "MissingAuthenticationToken"}
)
NEEDED = ("DescribeImages", "DescribeInstances", "DescribeSecurityGroups", "DescribeVolumes")
NEVER_USED: Mapping[str, Mapping[str, str]] = {
    "StopInstances": {"InstanceId.1": "i-00000000000000000"},
    "TerminateInstances": {"InstanceId.1": "i-00000000000000000"},
}


class _StrangerError(Exception):
    """AWS does not know the key, or its other half."""


def examine(context: Context, subject: Subject) -> Examination:
    """Everything that the inventory calls, and two things that it must never be able to. Raises ProviderError."""
    account = Account.of(context, subject.entry, lambda: subject.now)
    where = f"AWS {account.region}"
    try:
        rights = [*_servers(account), *_buckets(account), *_zones(account)]
    except _StrangerError as error:
        return subject.failed(where, f"{where} does not know the access key ({error}): store the right pair.")
    return subject.found(where, rights)


def _servers(account: Account) -> Iterator[Right]:
    with account.ec2() as driver:
        for action in NEEDED:
            yield _judged(f"ec2:{action}", _may(driver, action, {}))
        for action, asked in NEVER_USED.items():
            if _may(driver, action, asked):
                yield Right(f"ec2:{action}", State.NEEDLESS, NARROW)


def _may(driver: Ec2Driver, action: str, asked: Mapping[str, str]) -> bool | None:
    """None when the answer is about something else. Raises _StrangerError."""
    try:
        driver.connection.request(driver.path, params={"Action": action, "DryRun": "true", **asked})
    except RefusedError as error:
        return _allowed(error)
    return True


def _buckets(account: Account) -> Iterator[Right]:
    with account.s3(account.region, Deadline(account.seconds)) as driver:
        yield _judged("s3:ListAllMyBuckets", _lists(driver.list_containers))


def _zones(account: Account) -> Iterator[Right]:
    with account.route53() as driver:
        yield _judged("route53:ListHostedZones", _lists(lambda: next(driver.zones(), None)))


def _lists(look: Any) -> bool | None:
    try:
        look()
    except RefusedError as error:
        return _allowed(error)
    return True


def _allowed(error: RefusedError) -> bool | None:
    if error.kind in STRANGER:
        raise _StrangerError(error.kind) from error
    if error.kind == ALLOWED:
        return True
    if error.kind in DENIED or error.code == 403:
        return False
    if error.code >= 500:
        raise error
    return None


def _judged(name: str, held: bool | None) -> Right:
    match held:
        case True:
            return Right(name, State.HELD)
        case False:
            return Right(name, State.MISSING, POLICY)
        case _:
            return Right(name, State.UNKNOWN, "AWS refused the question itself; an inventory will show it.")
