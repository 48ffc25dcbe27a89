from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.gateways.twilio.twiml import LONGEST, confirm_twiml, voice_twiml
from domain.texts import one_line

URL = "https://log.example/callbacks/twilio/confirm?delivery=d-1&extension=1"


def test_a_key_counts_during_the_script() -> None:
    twiml, was_cut = voice_twiml("School is closed & <quiet>.", confirm_url=URL)

    [gather] = ElementTree.fromstring(twiml)
    assert gather.tag == "Gather"
    assert gather.attrib == {"numDigits": "1", "finishOnKey": "", "timeout": "5", "action": URL}
    assert gather[0].text == "School is closed & <quiet>."
    assert not was_cut


@given(st.text(max_size=60).map(one_line), st.integers(1, 200))
def test_a_call_always_fits_and_has_the_start_of_its_script(text: str, times: int) -> None:
    script = one_line(" ".join([text] * times))

    twiml, was_cut = voice_twiml(script, confirm_url=URL)

    said = ElementTree.fromstring(twiml)[0][0].text or ""
    assert len(twiml) <= LONGEST
    assert script.startswith(said)
    assert was_cut == (said != script)


@pytest.mark.parametrize(("digits", "verbs"), [("0", ["Say"]), ("1", ["Gather"]), ("", ["Gather"])])
def test_0_ends_the_call_and_another_key_repeats_the_question(
    digits: str, verbs: list[str]
) -> None:
    response = ElementTree.fromstring(confirm_twiml(digits, confirm_url=URL))

    assert [verb.tag for verb in response] == verbs
