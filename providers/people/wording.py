"""The sentences of a notice, in French and in English. Plain words: they are read on a bad day."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Language = Literal["fr", "en"]
LANGUAGES: tuple[Language, ...] = ("fr", "en")

_FR = {
    "changes": "Ce qui change",
    "restored": "Ce qui vaut de nouveau",
    "fact": "{what} : {new}",
    "fact_from": "{what} : {new} (jusqu'ici : {old})",
    "from_when": "À partir de : {when}",
    "taken_back": "Le changement annoncé sous la référence {first} est annulé. Les adresses et réglages d'avant valent "
    "de nouveau.",
    "as_before": "comme avant le changement",
    "unchanged": "Ce qui ne change pas",
    "rest": "Tout ce qui n'est pas cité ici reste comme avant.",
    "never": "Ce que nous ne demandons jamais",
    "never_asked": "Votre mot de passe, un code reçu, un paiement, ni de cliquer sur un lien pour vous connecter. "
    "Un message qui le demande est une fraude, même s'il porte notre nom ou cette référence.",
    "verify": "Comment vérifier que ce message est de nous",
    "ask": "Donnez la référence {reference} au contact que vous connaissez déjà : {contact}. "
    "N'utilisez pas un numéro ou une adresse que seul un message vous donne.",
    "page": "La même annonce est publiée sur {page}. Tapez cette adresse vous-même.",
    "mail_signed": "Ce courrier est signé (S/MIME) par {signer} : votre logiciel de messagerie le montre.",
    "notice_signed": "Signature Ed25519 du texte, clé {fingerprint} : {signature}",
    "instructions": "Marche à suivre",
    "reference": "Référence :",
    "publish": "À publier sur la page des annonces de l'organisation, avec cette annonce.",
    "verify_text": "Pour vérifier la signature : enregistrez le texte, la signature et la clé, puis lancez",
    "sms": "{subject}. {facts}. Ref {reference}. Verifiez : {contact}. Jamais de mot de passe ni paiement demandes.",
    "sms_undo": "ANNULE (ref {first}) : {facts}. Ref {reference}. Verifiez : {contact}.",
    "undo_subject": "Annulé : {subject}",
}
_EN = {
    "changes": "What changes",
    "restored": "What holds again",
    "fact": "{what}: {new}",
    "fact_from": "{what}: {new} (until now: {old})",
    "from_when": "From: {when}",
    "taken_back": "The change announced under reference {first} was taken back. The addresses and settings of before "
    "hold again.",
    "as_before": "as before the change",
    "unchanged": "What does not change",
    "rest": "Whatever is not named here stays as it was.",
    "never": "What we never ask",
    "never_asked": "Your password, a code that you received, a payment, or that you click on a link to sign in. "
    "A message that asks for it is a fraud, even when it bears our name or this reference.",
    "verify": "How to check that this message is ours",
    "ask": "Give the reference {reference} to the contact that you know already: {contact}. "
    "Do not use a number or an address that only a message gives you.",
    "page": "The same notice is published on {page}. Type that address yourself.",
    "mail_signed": "This mail is signed (S/MIME) by {signer}: your mail program shows it.",
    "notice_signed": "Ed25519 signature of the text, key {fingerprint}: {signature}",
    "instructions": "What to do",
    "reference": "Reference:",
    "publish": "To be published on the page of the organisation's notices, with this notice.",
    "verify_text": "To verify the signature: save the text, the signature and the key, then run",
    "sms": "{subject}. {facts}. Ref {reference}. Check: {contact}. We never ask for a password or payment.",
    "sms_undo": "TAKEN BACK (ref {first}): {facts}. Ref {reference}. Check: {contact}.",
    "undo_subject": "Taken back: {subject}",
}
_SENTENCES: Mapping[Language, Mapping[str, str]] = MappingProxyType({"fr": _FR, "en": _EN})


def say(language: Language, name: str, **values: str) -> str:
    return _SENTENCES[language][name].format(**values)
