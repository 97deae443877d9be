"""Keys and tokens equal `hmac` and `hashlib`, and those of a published run."""

import base64
import csv
import hashlib
import hmac

import phonematch
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import SECRET

NUMBERS = [f"+120255501{n:02}" for n in range(100)]


def derive(info):
    """HKDF-SHA-256 with no salt, one block (RFC 5869)."""
    extracted = hmac.digest(bytes(32), SECRET, "sha256")
    return hmac.digest(extracted, info.encode() + b"\x01", "sha256")


def key_of(digest):
    return hmac.digest(derive("phonematch/join/v1"), digest, "sha256")[:16]


def token_of(key, recipient):
    return hmac.digest(derive(f"phonematch/recipient/v1/{recipient}"), key, "sha256")[:16].hex()


def test_keys_and_tokens_are_those_of_an_independent_implementation(secret_file):
    keyer = phonematch.Keyer(secret_file)
    for form, text in (("e164", lambda number: number), ("digits", lambda number: number[1:])):
        expected = [key_of(hashlib.sha256(text(n).encode()).digest()) for n in NUMBERS]
        keys = keyer.match_key(pa.array(NUMBERS), form)
        assert pa.array(keys).to_pylist() == expected
        tokens = pa.array(keyer.token(keys, "acme")).to_pylist()
        assert tokens == [token_of(key, "acme") for key in expected]
    assert keyer.key_id == derive("phonematch/key-id/v1")[:8].hex()
    assert phonematch.Keyer(str(secret_file)).key_id == keyer.key_id


def test_digests_in_every_spelling_meet_the_numbers(secret_file):
    keyer = phonematch.Keyer(secret_file)
    digests = [hashlib.sha256(number.encode()).digest() for number in NUMBERS]
    expected = pa.array(keyer.match_key(pa.array(NUMBERS))).to_pylist()
    spell = [bytes.hex, lambda d: d.hex().upper(), lambda d: base64.b64encode(d).decode()]
    for spelling in spell:
        keys = keyer.match_key_of_sha256(pa.array([spelling(digest) for digest in digests]))
        assert pa.array(keys).to_pylist() == expected
    none = keyer.match_key_of_sha256(pa.array(["+12025550100", "", None, "g" * 64]))
    assert pa.array(none).to_pylist() == [None] * 4


def test_what_was_not_read_has_no_key_and_no_token(secret_file):
    keyer = phonematch.Keyer(secret_file)
    read = phonematch.normalise(pa.array(["n/a", None, "+1 202-555-0123", "4.47911E+11"]))
    keys = keyer.match_key(read)
    assert pa.array(keys).is_null().to_pylist() == [True, True, False, True]
    assert pa.array(keyer.match_key(read.e164)) == pa.array(keys)
    tokens = keyer.token(pl.Series(keys), "acme")
    assert pa.array(tokens).is_null().to_pylist() == [True, True, False, True]


def test_a_number_that_was_not_normalised_is_refused(secret_file):
    keyer = phonematch.Keyer(secret_file)
    long = pa.chunked_array([["+12025550100"] * 10, ["+12025550100", "+1 202-555-0100"]])
    with pytest.raises(ValueError, match="row 11 is not a number in E.164 form"):
        keyer.match_key(long)
    with pytest.raises(ValueError, match="row 1 is not a match key"):
        keyer.token(pa.array([bytes(16), bytes(15)]), "acme")
    with pytest.raises(ValueError, match="form must be"):
        keyer.match_key(long, "E164")
    for bad in ("", "a b", "447911123456", "x" * 65):
        with pytest.raises(ValueError, match="a recipient is named by"):
            keyer.token(pa.array([bytes(16)]), bad)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_secret_that_others_can_read_is_refused(secret_file, mode):
    secret_file.chmod(mode)
    with pytest.raises(phonematch.SecretError, match="can be read by others"):
        phonematch.Keyer(secret_file)


def test_what_holds_no_secret_is_refused(tmp_path, secret_file):
    with pytest.raises(phonematch.SecretError, match="cannot read the secret"):
        phonematch.Keyer(tmp_path / "none.key")
    with pytest.raises(phonematch.SecretError, match="is no file"):
        phonematch.Keyer(tmp_path)
    secret_file.write_bytes(b"a secret that is none")
    with pytest.raises(phonematch.SecretError, match="is none") as raised:
        phonematch.Keyer(secret_file)
    assert "a secret that" not in str(raised.value)
    assert issubclass(phonematch.SecretError, ValueError)


def test_a_column_joined_in_python_finds_the_tokens_of_a_published_run(tmp_path, command):
    """The whole job, and the same by hand: normalise, key, join, drop who said no."""
    world = tmp_path / "world"
    command("synth", "--accounts", "20000", "--list", "4000", "--seed", "7", "--out", world)
    command("match", "--job", world / "job.toml", "--out", tmp_path / "run", "--quiet")
    published = set(pq.read_table(tmp_path / "run" / "matches.parquet")["token"].to_pylist())
    assert len(published) > 300
    secret = next(world.glob("*.key"))
    keyer = phonematch.Keyer(secret)
    with next(world.glob("list*")).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    phones = pa.array([row["phone"] for row in rows])
    countries = pa.array([row.get("country", "") for row in rows])
    recipient = pq.read_table(tmp_path / "run" / "matches.parquet")["recipient"][0].as_py()
    keys = keyer.match_key(phonematch.normalise(phones, countries))
    listed = set(pa.array(keyer.token(keys, recipient)).to_pylist()) - {None}
    # Every published person is on the list, and those who are not have said no or are no account.
    assert published < listed
    with next(world.glob("accounts*")).open(newline="", encoding="utf-8") as file:
        accounts = list(csv.DictReader(file))
    exported = phonematch.normalise(pa.array([row["phone"] for row in accounts]), export=True)
    tokens = pa.array(keyer.token(keyer.match_key(exported), recipient)).to_pylist()
    assert published < set(tokens)
