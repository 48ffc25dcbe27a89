"""What an incoming text message asks for: no more texts, or texts again.

A provider's own reading of the text comes first; that is its gateway's.
"""

import unicodedata
from enum import StrEnum
from typing import Final


class Keyword(StrEnum):
    """What a text asks for."""

    STOP = "STOP"
    START = "START"


STOP_WORDS: Final = frozenset(
    {
        # English: CTIA's Messaging Principles 5.1.3, Twilio's defaults, and 47 CFR 64.1200(a)(10).
        *("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "optout", "revoke", "remove"),
        *("pleasestop", "stopplease", "stoptexting", "stoptextingme", "stoptexts", "stopmessages"),
        *("optmeout", "removeme", "unsubscribeme", "nomore", "nomoretexts"),
        # Spanish
        *("parar", "pare", "alto", "basta", "detener", "detenga", "baja", "darsedebaja"),
        *(
            "darmedebaja",
            "cancelar",
            "anular",
            "terminar",
            "fin",
            "salir",
            "nomas",
            "nomasmensajes",
        ),
        # French; Canada's carriers demand ARRET beside STOP.
        *("arret", "arrete", "arreter", "arretez", "desabonner", "desabonnement", "medesabonner"),
        *("desinscrire", "desinscription", "annuler", "resilier"),
    }
)
"""What asks for no more texts, folded: one of these has to be the whole text."""

START_WORDS: Final = frozenset(
    {
        *("start", "yes", "unstop", "optin", "subscribe", "resume"),
        *("iniciar", "comenzar", "empezar", "reanudar", "suscribir", "si"),
        *("demarrer", "commencer", "reprendre", "abonner", "oui"),
    }
)
"""What asks for texts again, folded."""


def read_keyword(text: str) -> Keyword | None:
    """What `text` asks for; None where it is no keyword, or says more than one: "don't stop sending these" asks for nothing.

    Case, accents, spaces, punctuation, quotation marks, emoji and full-width letters make no difference.
    """
    folded = _folded(text)
    if folded in STOP_WORDS:
        return Keyword.STOP
    return Keyword.START if folded in START_WORDS else None


def _folded(text: str) -> str:
    """The letters and digits of `text`, without case and accents."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text))).casefold()
