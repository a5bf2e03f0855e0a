"""The words of the page of webhooks, in French and in English."""

EN = {
    "signals.name": "Signals",
    "signals.skip": "Go to the signals",
    "signals.title": "Signals that are about nothing",
    "signals.why": "These deliveries are genuine, and something in each became no observation. Add a rule to "
    "signals in bascule.yaml, or correct the sender.",
    "signals.none": "Every delivery was understood.",
    "signals.body": "How it begins",
    "signals.gone": "The delivery itself is no longer kept.",
    "signals.more": "and {count} more",
    "signals.repeats": "repeated {count} times",
    "signals.command.unmapped": "the same on the command line",
    "signals.command.sources": "who may post, and how much of it was understood",
}

FR = {
    "signals.name": "Signaux",
    "signals.skip": "Aller aux signaux",
    "signals.title": "Signaux qui ne concernent rien",
    "signals.why": "Ces messages sont authentiques, et une partie de chacun n’est devenue aucune observation. Ajoutez "
    "une règle à signals dans bascule.yaml, ou corrigez l’émetteur.",
    "signals.none": "Chaque message a été compris.",
    "signals.body": "Début du message",
    "signals.gone": "Le message lui-même n’est plus conservé.",
    "signals.more": "et {count} autres",
    "signals.repeats": "répété {count} fois",
    "signals.command.unmapped": "la même chose en ligne de commande",
    "signals.command.sources": "qui peut envoyer, et ce qui en a été compris",
}
