"""What an API key of Scaleway may do. Its secret half can't ask for its own policy, so reads tell it.

The IAM API has a key by its access key, which a scope does not hold: what the key may write, and when it ends, stay
unknown. What it may read beside Bascule's needs is a sign of a policy that is too wide. Permission sets: the vendor's
reference "Permission sets".
"""

from collections.abc import Iterable, Mapping
from typing import Any

from providers.base import Context
from providers.compute.rights import examined
from providers.compute.scaleway import InstanceDriver
from providers.rights import Examination, Right, State, Subject
from providers.vendor_http import RefusedError

NARROW = "Narrow the policy of its IAM application to the permission sets of docs/credentials.md."


def examine(context: Context, subject: Subject) -> Examination:
    """The reads of every cloud, then those that the key should be refused."""
    return examined(
        context,
        subject,
        stranger=lambda _, error: error.code == 401,
        introspect=_beyond,
        advice="Add the permission set to the policy as docs/credentials.md says.",
    )


def _beyond(driver: InstanceDriver, subject: Subject) -> Iterable[Right]:
    del subject
    yield Right(
        "create, change and delete servers, volumes and snapshots",
        State.UNKNOWN,
        "The vendor does not tell what a key may write: compare its policy with docs/credentials.md.",
    )
    yield Right("validity", State.UNKNOWN, "Look up when the key expires, under IAM in the console.")
    if _reads(driver, "/clusters", {"project_id": driver.project}, f"k8s/v1/regions/{driver.zone[:-2]}"):
        yield Right("read Kubernetes clusters (AllProductsReadOnly or more)", State.NEEDLESS, NARROW)
    if driver.organization and _reads(driver, "/api-keys", {"organization_id": driver.organization}, "iam/v1alpha1"):
        yield Right("read API keys (IAMReadOnly or more)", State.NEEDLESS, NARROW)
    if strangers := _other_projects(driver):
        yield Right(
            f"see servers of {len(strangers)} other projects", State.NEEDLESS, f"Scope it to the project. {NARROW}"
        )


def _reads(driver: InstanceDriver, path: str, params: Mapping[str, Any], api: str) -> bool:
    """Whether this list is answered; a refusal, or an API that is not there, is what is hoped for."""
    try:
        driver.connection.request(path, params=dict(params), api=api)
    except RefusedError as error:
        if error.code in {401, 403, 404}:
            return False
        raise
    return True


def _other_projects(driver: InstanceDriver) -> set[str]:
    """Projects other than the scope's whose servers the key sees."""
    try:
        servers = driver.connection.request("/servers", params={"per_page": 100}).object["servers"]
    except RefusedError as error:
        if error.code in {401, 403}:
            return set()
        raise
    return {str(server["project"]) for server in servers if server.get("project")} - {driver.project}
