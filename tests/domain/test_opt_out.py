"""A keyword is recognized however it is typed; a sentence is not a keyword."""

import json
import string
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.opt_out import START_WORDS, STOP_WORDS, Keyword, read_keyword
from tests.tables import table

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "cases/opt_out_words.jsonl").read_text().splitlines()
]


@pytest.mark.parametrize(("text", "meaning"), [(case["body"], case["meaning"]) for case in CASES])
def test_a_text_from_the_field_is_understood_as_its_sender_meant_it(
    text: str, meaning: str | None
) -> None:
    assert read_keyword(text) == meaning


STOPS = """
    S T O P | s.t.o.p. | 'stop' | «STOP» | „Stop“ | (stop) | STOP 🛑 | *STOP*
    \N{FULLWIDTH LATIN CAPITAL LETTER S}TOP | \uff33\uff34\uff2f\uff30 | st\u200bop | \ufeffSTOP | \u202aSTOP\u202c
    Stop all | STOP-ALL | Opt–out | opt_out | Opt me out | QUIT!!! | End. | Cancel | revoke
    Please stop. | stop, please | STOP TEXTING ME | No more texts | Remove me | remove
    ¡Alto! | PARAR | Pare | ¡BASTA! | Darme de baja | baja | cancelar | No más | NO MÁS MENSAJES
    ARRÊT | arre\u0302t | Arrêter | arrêtez ! | Désabonner | désinscription | Annuler | FIN
"""


@pytest.mark.parametrize("text", ["  STOP\r\n", *chain(*table(STOPS))])
def test_an_opt_out_keyword_is_recognized_however_it_is_typed(text: str) -> None:
    assert read_keyword(text) is Keyword.STOP


@pytest.mark.parametrize(
    "text",
    ["Start", "START!", "“Yes”", "un-stop", "Opt in", "sí", "SI", "Iniciar", "Oui.", "Démarrer"],
)
def test_an_opt_in_keyword_is_recognized_however_it_is_typed(text: str) -> None:
    assert read_keyword(text) is Keyword.START


OTHERS = """
    ! | 🛑 | HELP | INFO | AYUDA | AIDE | no | ok | 1 | STOP2 | stopping
    don't stop | Do not stop sending these | bus stop | Is this the end? | stop by the office today
    please cancel my appointment | We will be at the stop | no puedo parar ahí | l'arrêt de bus
    START date of school? | yes she will come | the END of year party
"""


@pytest.mark.parametrize("text", ["", " ", *chain(*table(OTHERS))])
def test_any_other_text_is_no_keyword(text: str) -> None:
    assert read_keyword(text) is None


@given(
    st.sampled_from(sorted(STOP_WORDS | START_WORDS)),
    st.text(string.punctuation + " \t\r\n\u00a0\u200b“”«»¡¿…", max_size=5),
    st.text(string.punctuation + " \t\r\n\u00a0\u200b“”«»¡¿…", max_size=5),
    st.booleans(),
)
def test_punctuation_around_a_keyword_is_ignored(
    word: str, before: str, after: str, is_upper: bool
) -> None:
    expected = Keyword.STOP if word in STOP_WORDS else Keyword.START

    assert read_keyword(before + (word.upper() if is_upper else word) + after) is expected


@given(
    st.sampled_from(sorted(STOP_WORDS | START_WORDS)),
    st.sampled_from(["bus", "the", "tomorrow", "no"]),
)
def test_a_keyword_with_another_word_is_a_sentence(word: str, other: str) -> None:
    joined = {f"{other}{word}", f"{word}{other}"}

    assert [read_keyword(f"{other} {word}"), read_keyword(f"{word} {other}")] == [None, None] or (
        joined & (STOP_WORDS | START_WORDS)
    )


def test_no_word_is_both_opt_out_and_opt_in() -> None:
    assert not STOP_WORDS & START_WORDS
