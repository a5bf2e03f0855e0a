"""What Route 53 holds: public and private zones with all their record sets."""

from providers.base import ProviderError
from providers.inventory import RecordSet, Zone
from providers.sources.aws_account import Account, Tell


def read_zones(account: Account, tell: Tell) -> list[Zone]:
    """All zones; one whose records are refused is there without them."""
    with account.route53() as driver:
        hosted = list(driver.zones())
    zones = []
    for zone in hosted:
        records = _records(account, zone.id, zone.name, tell)
        if records is not None and len(records) != zone.record_sets:
            tell(zone.name, f"{zone.record_sets} record sets are announced and {len(records)} were listed; look again.")
        zones.append(Zone(zone.id, zone.name, zone.private, account.now(), zone.record_sets, zone.comment, records))
    return sorted(zones, key=lambda one: (one.name, one.id))


def _records(account: Account, zone_id: str, name: str, tell: Tell) -> tuple[RecordSet, ...] | None:
    try:
        with account.route53() as driver:
            return tuple(driver.record_sets(zone_id))
    except ProviderError as error:
        tell(name, error.message)
        return None
