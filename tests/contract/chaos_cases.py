"""What is put under chaos: each set-up starts a server or simulator; the traffic of its case goes through proxies.

A provider more is a function here and one line in its table.
"""

from collections.abc import Mapping
from dataclasses import replace

from providers.base import Secret
from providers.calendars.content import lines_of
from providers.calendars.reissue import CalendarReissue
from providers.notify import AppriseMessage
from providers.people.inform import PeopleInform
from providers.simulator.effects import EffectLog
from providers.simulator.faults import FaultTable
from providers.simulator.fediverse import FediverseServer
from providers.simulator.http_service import HttpService
from providers.simulator.mastodon import MASTODON
from providers.social.post import MastodonPost
from providers.social.profile import MastodonProfile
from providers.storage.copy import StorageCopy
from providers.storage.verify import StorageVerify
from providers.wants import Copy, Fact, Inform, Message, Place, Post, Profile, ProfileField, Verify, Words
from tests.contract.chaos import SetUp, Stage
from tests.contract.chaos_clouds import CLOUDS, TAG
from tests.contract.chaos_dns import ZONES
from tests.contract.suite import Case
from tests.contract.test_calendar import NOW, series, wish
from tests.contract.test_notify import channel_server
from tests.radicale_server import PASSWORD, radicale_server
from tests.vendor_stand_ins import SECRETS, StoreStandIn, listening, reveal, store_stand_in

TOKEN = "token-only-known-to-this-test"


def _stores(stage: Stage) -> tuple[dict[str, StoreStandIn], dict[str, object]]:
    """Two S3 stand-ins and the scope through their proxies: an object to overwrite, one to make, one of others."""
    source = stage.stack.enter_context(store_stand_in("source", "eu-west-1"))
    target = stage.stack.enter_context(store_stand_in("target", "fr-par"))
    source.store.create_bucket("old")
    source.put("old", "www/index.html", b"<h1>Valbourg</h1>", "text/html")
    source.put("old", "www/style.css", b"body { color: navy }", "text/css", author="web")
    target.store.create_bucket("new")
    target.put("new", "www/style.css", b"body { color: red }", "text/css", owner="somebody")
    target.put("new", "www/only-here", b"stays")
    stores = {"source": source, "target": target}
    for stand_in in stores.values():
        stand_in.effects.clear()
    blocks = {role: one.block | {"url": stage.through(one.url)} for role, one in stores.items()}
    return stores, {"storage": blocks}


def storage_copy(stage: Stage) -> Case:
    """A copy between two S3 stores; the note, the saved copy and each object are effects."""
    stores, scope = _stores(stage)
    return Case(
        want=Copy(
            source=Place(store="source", bucket="old"), target=Place(store="target", bucket="new"), prefix="www/"
        ),
        tag=TAG,
        context=stage.context(scope, reveal),
        make=StorageCopy,
        world=lambda: {role: one.store.state() for role, one in stores.items()},
        # The same object stored twice is one effect: a request that arrives late changes nothing.
        effects=lambda: len(set(stores["target"].written())),
        effects_once=4,
        atomic=False,
        secrets=list(SECRETS.values()),
    )


def storage_verify(stage: Stage) -> Case:
    """Two buckets that hold the same."""
    stores, scope = _stores(stage)
    stores["target"].put("new", "www/index.html", b"<h1>Valbourg</h1>", "text/html")
    stores["target"].put("new", "www/style.css", b"body { color: navy }", "text/css")
    return Case(
        want=Verify(
            source=Place(store="source", bucket="old"), target=Place(store="target", bucket="new"), prefix="www/"
        ),
        tag=TAG,
        context=stage.context(scope, reveal),
        make=StorageVerify,
        world=lambda: {role: one.store.state() for role, one in stores.items()},
        effects=lambda: sum(len(one.written()) for one in stores.values()),
        secrets=list(SECRETS.values()),
    )


def apprise_message(stage: Stage) -> Case:
    """A message that Apprise posts."""
    channel = stage.stack.enter_context(channel_server())
    proxy = stage.proxy("127.0.0.1", channel.server_address[1])
    scope = {
        "networks": ["127.0.0.0/8"],
        "notify": {"crisis": {"driver": "apprise", "url": "secret://crisis-url"}},
        "smtp": {"helo": "bascule.valbourg.example"},
    }
    words = Words(fr="Bascule", en="Failover")
    return Case(
        want=Message(channel="crisis", title=words, body=words),
        tag=TAG,
        context=stage.context(scope, lambda _: Secret(f"json://user:{TOKEN}@127.0.0.1:{proxy.port}/")),
        make=AppriseMessage,
        world=lambda: list(channel.taken),
        effects=lambda: len(channel.taken),
        effects_once=1,
        secrets=[TOKEN],
    )


def people_inform(stage: Stage) -> Case:
    """A notice by a gateway behind Apprise, and on paper."""
    channel = stage.stack.enter_context(channel_server())
    proxy = stage.proxy("127.0.0.1", channel.server_address[1])
    scope = {
        "networks": ["127.0.0.0/8"],
        "notify": {"sms": {"driver": "apprise", "url": "secret://sms-url", "sms": True}},
        "smtp": {"helo": "bascule.valbourg.example"},
    }
    words = Words(fr="Messagerie", en="Mail")
    facts = [Fact(what=words, new="https://mail.valbourg.example")]
    return Case(
        want=Inform(channels=["sms", "paper"], subject=words, facts=facts, contact=words),
        tag=TAG,
        context=stage.context(scope, lambda _: Secret(f"json://user:{TOKEN}@127.0.0.1:{proxy.port}/")),
        make=PeopleInform,
        world=lambda: list(channel.taken),
        effects=lambda: len(channel.taken),
        effects_once=1,
        secrets=[TOKEN],
    )


def calendar_reissue(stage: Stage) -> Case:
    """A series of meetings in a calendar at Radicale."""
    server = stage.stack.enter_context(radicale_server(stage.directory))
    calendar = server.calendar()
    server.put(f"{calendar}s.ics", series("s"))
    scope = {"networks": ["127.0.0.0/8"]}

    def sequences() -> int:
        lines = [line for text in server.all(calendar).values() for line in lines_of(text)]
        return sum(int(line.value) for line in lines if line.name == "SEQUENCE")

    return Case(
        want=wish(stage.proxy("127.0.0.1", server.port).port, calendar),
        tag=TAG,
        context=replace(stage.context(scope, lambda _: Secret(PASSWORD)), clock=lambda: NOW),
        make=CalendarReissue,
        world=lambda: server.all(calendar),
        effects=sequences,
        effects_once=2,
        secrets=[PASSWORD],
    )


def _account(stage: Stage, want: Post | Profile, make: type[MastodonPost] | type[MastodonProfile]) -> Case:
    """An account at Mastodon's stand-in; what it has is read past the proxy."""
    effects, faults = EffectLog(), FaultTable()
    server = FediverseServer(MASTODON, "http://social.example", TOKEN, effects)
    server.fields = [("Site", "https://old.valbourg.example"), ("Horaires", "9 h - 17 h")]
    url = stage.stack.enter_context(listening(HttpService("mastodon", server.handle, faults)))
    scope = {
        "networks": ["127.0.0.0/8"],
        "social": {"town": {"driver": "mastodon", "url": stage.through(url), "token": "secret://social-token"}},
    }
    return Case(
        want=want,
        tag=TAG,
        context=stage.context(scope, lambda _: Secret(TOKEN)),
        make=make,
        world=lambda: ([one.text for one in server.statuses], list(server.fields)),
        effects=lambda: len(effects.listed()),
        effects_once=1,
        secrets=[TOKEN],
    )


def social_post(stage: Stage) -> Case:
    """One announcement."""
    words = Words(fr="La mairie déménage.", en="The town hall moves.")
    return _account(stage, Post(account="town", text=words), MastodonPost)


def social_profile(stage: Stage) -> Case:
    """A profile's link, changed in its place; without preconditions, a late change comes after the undo."""
    want = Profile(account="town", fields=[ProfileField(name="Site", value="https://www.valbourg.example")])
    return replace(_account(stage, want, MastodonProfile), awaits_late=False)


EFFECTS: Mapping[str, SetUp] = {
    **CLOUDS,
    "storage copy": storage_copy,
    "social post": social_post,
    "social profile": social_profile,
    "calendar reissue": calendar_reissue,
    **ZONES,
}
"""Whose effect is proved and taken back."""

CHECKS: Mapping[str, SetUp] = {"storage verify": storage_verify}

UNPROVABLE: Mapping[str, SetUp] = {"apprise message": apprise_message, "people inform": people_inform}
