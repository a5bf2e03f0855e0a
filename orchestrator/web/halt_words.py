"""The words of the kill switch, in French and in English."""

EN = {
    "halt.title": "Everything is halted",
    "halt.why": "by {by}, {at}: {reason}",
    "halt.means": "No run starts or goes on; a call that was already under way may still end. To lift it:",
}

FR = {
    "halt.title": "Arrêt d’urgence",
    "halt.why": "par {by}, {at} : {reason}",
    "halt.means": "Aucune exécution ne commence ni ne continue ; un appel déjà parti peut encore aboutir. "
    "Pour le lever :",
}
