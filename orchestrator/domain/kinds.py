"""The kinds of step: what each takes, hands out, and can take back. One line a kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from orchestrator.domain.problem import Complaint
from orchestrator.domain.references import is_open, value_at
from orchestrator.domain.wording import complaints_of, one_sentence
from providers import wants
from providers.wants import Wish, Words


@dataclass(frozen=True, slots=True)
class Kind:
    """What is true of every step of one kind.

    `outputs`: the names that later steps may refer to; None when the step decides (a play's `set_stats`).
    `repeatable`: doing it again after an attempt whose end is not known harms nothing.
    `automatic_undo`: its provider takes back what it did.
    `reads_only`: it changes nothing outside.
    `by_person`: a person does it, however long that takes.
    `has_provider`: a provider does it; otherwise the engine or the planner.
    `expands`: the planner puts other steps in its place.
    `points_endpoint`: it decides where people's traffic goes.
    `measures`: lags and ages in seconds that its look tells, by name; more is worse.
    `timeout`: seconds that an attempt may take where the runbook does not say; None is what every step has.
    """

    name: str
    inputs: type[Wish]
    outputs: frozenset[str] | None
    words: Words
    repeatable: bool = True
    automatic_undo: bool = False
    reads_only: bool = False
    by_person: bool = False
    has_provider: bool = True
    expands: bool = False
    points_endpoint: bool = False
    timeout: float | None = None
    measures: frozenset[str] = frozenset()


def _words(fr: str, en: str) -> Words:
    return Words(fr=fr, en=en)


def _names(*names: str) -> frozenset[str]:
    return frozenset(names)


SETTLING_SECONDS = 3600.0
"""What `dns.ttl` may take besides the old TTL itself: writing, and servers that take the change over late."""

WHOLE_CALENDAR_SECONDS = 1800.0
"""What `calendar.reissue` may take: a tenth of a second for each meeting, and its mail."""

_ALL = (
    Kind("compute.server", wants.Server, _names("id", "name", "address", "zone", "provider"),
         _words("Crée, retrouve ou libère un serveur", "Creates, finds or releases a server"), automatic_undo=True),
    Kind("compute.volume", wants.Volume, _names("id", "name", "size", "provider"),
         _words("Crée un volume et l'attache", "Creates a volume and attaches it"), automatic_undo=True),
    Kind("compute.snapshot", wants.Snapshot, _names("id", "name", "size", "provider"),
         _words("Prend un instantané d'un volume", "Takes a snapshot of a volume"), automatic_undo=True),
    Kind("ansible.play", wants.Play, None,
         _words("Configure des serveurs avec Ansible", "Configures servers with Ansible")),
    Kind("dns.records", wants.Records, _names(),
         _words("Change des enregistrements DNS", "Changes DNS record sets"),
         automatic_undo=True, points_endpoint=True),
    Kind("dns.ttl", wants.Ttl, _names("effective_at", "ttl", "old_ttl"),
         _words("Change la durée de vie d'enregistrements DNS", "Changes the TTL of DNS record sets"),
         automatic_undo=True, timeout=wants.LONGEST_TTL + SETTLING_SECONDS),
    Kind("storage.copy", wants.Copy, _names("objects", "bytes", "keys"),
         _words("Copie des objets d'un stockage à l'autre", "Copies objects from store to store"), automatic_undo=True),
    Kind("storage.verify", wants.Verify, _names("objects", "bytes"),
         _words("Compare deux stockages", "Compares two stores"), reads_only=True),
    Kind("endpoint.swap", wants.Swap, _names(),
         _words("Bascule un service vers une cible du catalogue", "Moves a service to a target of the catalogue"),
         has_provider=False, expands=True, points_endpoint=True),
    Kind("probe.http", wants.HttpProbe, _names("status", "url", "address"),
         _words("Vérifie une page web", "Checks a web page"), reads_only=True),
    Kind("probe.tcp", wants.TcpProbe, _names("address"),
         _words("Vérifie qu'un port répond", "Checks that a port answers"), reads_only=True),
    Kind("probe.tls", wants.TlsProbe, _names("address", "not_after", "days_left"),
         _words("Vérifie un certificat", "Checks a certificate"), reads_only=True, measures=_names("overdue")),
    Kind("probe.dns", wants.DnsProbe, _names("values", "servers"),
         _words("Vérifie ce que répond le DNS", "Checks what DNS answers"), reads_only=True),
    Kind("probe.smtp", wants.SmtpProbe, _names("mx", "starttls", "certificates", "delivered_to", "message_id"),
         _words("Vérifie la réception du courrier", "Checks that mail is taken"), reads_only=True),
    Kind("probe.spf", wants.SpfProbe, _names("record", "lookups", "void", "costliest"),
         _words("Compte les recherches DNS que coûte SPF", "Counts the DNS lookups that SPF costs"), reads_only=True),
    Kind("probe.mta-sts", wants.MtaStsProbe, _names("id", "mode", "mx"),
         _words("Vérifie la politique MTA-STS", "Checks the MTA-STS policy"), reads_only=True),
    Kind("probe.imap", wants.ImapProbe, _names("message_id", "subject"),
         _words("Cherche un message dans une boîte", "Looks for a message in a mailbox"), reads_only=True),
    Kind("probe.mailbox", wants.MailboxProbe, _names("newest"),
         _words("Mesure l'âge du dernier message d'une boîte", "Measures how long ago a mailbox had its last message"),
         reads_only=True, measures=_names("age")),
    Kind("probe.mail", wants.MailProbe, _names("message_id", "spf", "dkim", "dmarc", "client"),
         _words("Vérifie que le courrier envoyé est authentifié", "Checks that mail sent is found genuine"),
         reads_only=True),
    Kind("probe.ssh", wants.SshProbe, _names("address", "version", "login"),
         _words("Vérifie l'accès SSH", "Checks SSH access"), reads_only=True),
    Kind("probe.webdav", wants.WebdavProbe, _names("url", "address"),
         _words("Vérifie qu'un fichier s'écrit, se lit et s'efface", "Checks that a file is written, read and removed"),
         reads_only=True),
    Kind("probe.nextcloud", wants.NextcloudProbe, _names("version", "user"),
         _words("Vérifie Nextcloud", "Checks Nextcloud"), reads_only=True),
    Kind("probe.onlyoffice", wants.OnlyofficeProbe, _names("version"),
         _words("Vérifie OnlyOffice", "Checks OnlyOffice"), reads_only=True),
    Kind("probe.collabora", wants.CollaboraProbe, _names("product", "version"),
         _words("Vérifie Collabora", "Checks Collabora"), reads_only=True),
    Kind("probe.cryptpad", wants.CryptpadProbe, _names("version", "websocket"),
         _words("Vérifie CryptPad", "Checks CryptPad"), reads_only=True),
    Kind("probe.meet", wants.MeetProbe, _names("livekit"),
         _words("Vérifie Visio", "Checks Visio"), reads_only=True),
    Kind("probe.jitsi", wants.JitsiProbe, _names("domain"),
         _words("Vérifie Jitsi Meet", "Checks Jitsi Meet"), reads_only=True),
    Kind("probe.completion", wants.CompletionProbe, _names("model"),
         _words("Vérifie qu'un modèle d'IA répond", "Checks that an AI model answers"), reads_only=True),
    Kind("probe.mastodon", wants.MastodonProbe, _names("version", "account"),
         _words("Vérifie un serveur Mastodon", "Checks a Mastodon server"), reads_only=True),
    Kind("probe.nodeinfo", wants.NodeInfoProbe, _names("software", "version"),
         _words("Vérifie quel logiciel social répond", "Checks which social software answers"), reads_only=True),
    Kind("probe.relme", wants.RelMeProbe, _names("page", "profile"),
         _words("Vérifie qu'une page et un profil se citent", "Checks that a page and a profile name each other"),
         reads_only=True),
    Kind("probe.oidc", wants.OidcProbe, _names("token_endpoint", "keys"),
         _words("Vérifie un fournisseur d'identité", "Checks an identity provider"), reads_only=True),
    Kind("probe.apt", wants.AptProbe, _names("suite", "date", "valid_until", "signed_by"),
         _words("Vérifie un miroir de paquets signé", "Checks a signed package mirror"), reads_only=True,
         measures=_names("age")),
    Kind("probe.aws", wants.AwsProbe, _names("account", "arn"),
         _words("Vérifie qu'AWS connaît une clé d'accès", "Checks that AWS knows an access key"), reads_only=True),
    Kind("probe.token", wants.TokenProbe, _names("expires_in", "newest"),
         _words("Vérifie qu'un client obtient un jeton, et qu'une API l'accepte",
                "Checks that a client gets a token, and that an API takes it"), reads_only=True,
         measures=_names("age")),
    Kind("social.post", wants.Post, _names("id", "url", "reference"),
         _words("Publie une annonce", "Posts an announcement"), automatic_undo=True),
    Kind("social.profile", wants.Profile, _names("url", "fields"),
         _words("Change les liens d'un profil", "Changes the links of a profile"), automatic_undo=True),
    Kind("human.approval", wants.Approval, _names(),
         _words("Attend l'accord de personnes", "Waits for people's approval"), by_person=True, has_provider=False),
    Kind("human.task", wants.Task, _names(),
         _words("Une personne suit une fiche", "A person follows a sheet"),
         repeatable=False, by_person=True, has_provider=False),
    Kind("wait.for", wants.Wait, _names(),
         _words("Attend une durée", "Waits for a time"), has_provider=False),
    Kind("notify.send", wants.Message, _names("message_id"),
         _words("Envoie un message", "Sends a message"), repeatable=False),
    Kind("people.inform", wants.Inform, _names("reference", "messages", "paper", "signature"),
         _words("Annonce de nouvelles adresses aux personnes, avec de quoi vérifier l'annonce",
                "Tells people their new addresses, with what shows that the notice is true"), automatic_undo=True),
    Kind("calendar.reissue", wants.Reissue, _names("events", "told"),
         _words("Remplace les liens morts des réunions à venir", "Replaces the dead links of meetings to come"),
         automatic_undo=True, timeout=WHOLE_CALENDAR_SECONDS),
    Kind("runbook.run", wants.Nested, _names(),
         _words("Déroule une autre procédure", "Runs another runbook"), has_provider=False, expands=True),
)  # fmt: skip

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _ALL})
"""Every kind of step that a runbook can use, by the name in its `uses`."""


def check_inputs(uses: str, with_: Mapping[str, Any], *, resolved: bool) -> list[Complaint]:
    """What is wrong with a step's `with`, each complaint located in it.

    With `resolved` false, values that still hold references are left out: they are
    checked again when they are known. `uses` must be a name in `KINDS`.
    """
    try:
        KINDS[uses].inputs.model_validate(dict(with_), by_alias=True, by_name=False)
    except ValidationError as error:
        found = complaints_of(error, KINDS[uses].inputs, with_)
        return found if resolved else [one for one in found if not is_open(value_at(with_, one.path))]
    return []


def parse_inputs(uses: str, with_: Mapping[str, Any]) -> Wish:
    """The inputs, typed. Raises ValueError in one sentence that names what does not fit; never shows a secret."""
    try:
        return KINDS[uses].inputs.model_validate(dict(with_), by_alias=True, by_name=False)
    except ValidationError as error:
        raise ValueError(one_sentence(complaints_of(error, KINDS[uses].inputs, with_))) from None
