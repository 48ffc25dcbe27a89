"""Keywords in incoming texts: opt-out and opt-in. If the provider has detected a keyword itself, the gateway uses that."""

import unicodedata
from enum import StrEnum
from typing import Final


class Keyword(StrEnum):
    """The meaning of a keyword: opt-out or opt-in."""

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
        # French; Canada's carriers require ARRET beside STOP.
        *("arret", "arrete", "arreter", "arretez", "desabonner", "desabonnement", "medesabonner"),
        *("desinscrire", "desinscription", "annuler", "resilier"),
    }
)
"""The opt-out keywords, folded; the whole text must be one of them."""

START_WORDS: Final = frozenset(
    {
        *("start", "yes", "unstop", "optin", "subscribe", "resume"),
        *("iniciar", "comenzar", "empezar", "reanudar", "suscribir", "si"),
        *("demarrer", "commencer", "reprendre", "abonner", "oui"),
    }
)
"""The opt-in keywords, folded."""


def read_keyword(text: str) -> Keyword | None:
    """Return the keyword that `text` is; None if it is none or has more words, such as "don't stop sending these".

    Ignores case, accents, spaces, punctuation, quotation marks, emoji and the width of letters.
    """
    folded = _folded(text)
    if folded in STOP_WORDS:
        return Keyword.STOP
    return Keyword.START if folded in START_WORDS else None


def _folded(text: str) -> str:
    """Return the letters and digits of `text`, without case and accents."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text))).casefold()
