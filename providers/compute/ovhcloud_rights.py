"""What a consumer key of OVHcloud may do with a Public Cloud project: the vendor lists the key's rules."""

from collections.abc import Iterable
from functools import partial

from providers.base import Context, JsonMap
from providers.compute.ovhcloud import NativeDriver
from providers.compute.ovhcloud_signed import CREDENTIAL_CODES, OUT_OF_TIME
from providers.compute.rights import examined
from providers.ovhcloud_rules import LISTED_AT, MAKE_ANEW, not_told, project_rules, rules_beside, told
from providers.rights import Examination, Right, Subject
from providers.vendor_http import RefusedError

NOT_GRANTED = "NOT_GRANTED_CALL"
STRANGER = CREDENTIAL_CODES - {NOT_GRANTED, OUT_OF_TIME}


def examine(context: Context, subject: Subject) -> Examination:
    """The reads of every cloud, and the key's own list of rules."""
    return examined(
        context,
        subject,
        stranger=lambda _, error: error.kind in STRANGER,
        introspect=partial(_listed, context.scope),
        advice=f"{MAKE_ANEW.capitalize()}.",
    )


def _listed(scope: JsonMap, driver: NativeDriver, subject: Subject) -> Iterable[Right]:
    try:
        credential = driver.connection.request(LISTED_AT).object
    except RefusedError as error:
        if error.kind != NOT_GRANTED:
            raise
        return [not_told()]
    beside = rules_beside(scope, str(scope["compute"][subject.entry]["consumer_key"]))
    return list(told(credential, project_rules(str(driver.project_id)), beside, subject.now))
