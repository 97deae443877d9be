"""Nothing printed, raised or pickled holds a number or the secret."""

import pickle

import phonematch
import pyarrow as pa
import pytest
from conftest import SECRET

NUMBER = "+12025550123"
TEXT = "+1 (202) 555-0123"


def test_what_is_printed_says_how_much_and_not_what(secret_file):
    keyer = phonematch.Keyer(secret_file)
    normalised = phonematch.normalise(pa.array([TEXT]))
    keys = keyer.match_key(normalised)
    shown = {
        repr(phonematch.read(TEXT)): "Reading(valid, region='US', type='FIXED_LINE_OR_MOBILE')",
        repr(phonematch.read("n/a")): "Reading(reason='empty')",
        repr(normalised): "Normalised(1 rows)",
        repr(normalised.e164): "Column(1 rows, Utf8)",
        repr(keys): "Column(1 rows, Binary)",
        repr(keyer): "Keyer(redacted)",
    }
    for text, expected in shown.items():
        assert text == expected
    assert str(phonematch.read(TEXT)) == repr(phonematch.read(TEXT))


def test_no_exception_quotes_a_cell(secret_file):
    keyer = phonematch.Keyer(secret_file)
    wrong = [
        lambda: phonematch.normalise([TEXT]),
        lambda: phonematch.normalise(TEXT),
        lambda: phonematch.normalise(pa.array([TEXT]), TEXT),
        lambda: phonematch.normalise(pa.array([TEXT]), pa.array([TEXT, TEXT])),
        lambda: phonematch.normalise(pa.array([[TEXT]])),
        lambda: phonematch.normalise(pa.array([float(NUMBER)])),
        lambda: phonematch.read(TEXT, TEXT),
        lambda: phonematch.read(TEXT, "DE", export=True),
        lambda: keyer.match_key(pa.array([TEXT])),
        lambda: keyer.match_key(pa.array([NUMBER[1:]])),
        lambda: keyer.match_key(pa.array([NUMBER]), NUMBER),
        lambda: keyer.token(pa.array([NUMBER.encode()]), "acme"),
        lambda: keyer.token(pa.array([bytes(16)]), NUMBER),
    ]
    for call in wrong:
        with pytest.raises((TypeError, ValueError)) as raised:
            call()
        digits = "".join(filter(str.isdigit, str(raised.value)))
        assert "5550123" not in digits


@pytest.mark.parametrize("what", ["keyer", "normalised", "column", "reading"])
def test_nothing_of_it_can_be_pickled_into_a_closure(secret_file, what):
    keyer = phonematch.Keyer(secret_file)
    normalised = phonematch.normalise(pa.array([TEXT]))
    held = {
        "keyer": keyer,
        "normalised": normalised,
        "column": normalised.e164,
        "reading": phonematch.read(TEXT),
    }
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(held[what])


def test_the_secret_cannot_be_given_and_not_be_asked_for(secret_file):
    for literal in (SECRET, SECRET.hex(), SECRET.hex() + "\n"):
        with pytest.raises((TypeError, ValueError)) as raised:
            phonematch.Keyer(literal)
        assert SECRET.hex() not in str(raised.value)
    keyer = phonematch.Keyer(secret_file)
    said = " ".join(str(getattr(keyer, name)) for name in dir(keyer))
    assert SECRET.hex() not in said
    assert not hasattr(keyer, "__dict__")
