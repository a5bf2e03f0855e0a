"""The words of the page of webhooks, in French and in English."""

EN = {
    "signals.name": "Signals",
    "signals.title": "What no rule speaks of",
    "signals.why": "These deliveries are genuine, and something in each became no observation. Add a rule to "
    "`signals` of bascule.yaml, or correct the sender.",
    "signals.none": "Every delivery was understood.",
    "signals.source": "Source",
    "signals.received": "Received",
    "signals.left": "What was left",
    "signals.body": "How it begins",
    "signals.gone": "The body is no longer kept.",
    "signals.more": "and {count} more",
    "signals.repeats": "repeated {count} times",
}

FR = {
    "signals.name": "Signaux",
    "signals.title": "Ce dont aucune règle ne parle",
    "signals.why": "Ces messages sont authentiques, et une partie de chacun n’est devenue aucune observation. Ajoutez "
    "une règle à `signals` dans bascule.yaml, ou corrigez l’émetteur.",
    "signals.none": "Chaque message a été compris.",
    "signals.source": "Source",
    "signals.received": "Reçu",
    "signals.left": "Ce qui est resté",
    "signals.body": "Début du message",
    "signals.gone": "Le message lui-même n’est plus conservé.",
    "signals.more": "et {count} autres",
    "signals.repeats": "répété {count} fois",
}
