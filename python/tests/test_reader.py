"""Decisions equal Python `phonenumbers`, the command, and one call for each number."""

import phonematch
import phonenumbers
import pyarrow as pa
import pytest


def reference(text, country):
    """What Python `phonenumbers`, a port of the reference, makes of a text."""
    try:
        number = phonenumbers.parse(text, country or None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return {
        "e164": phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164),
        "region": phonenumbers.region_code_for_number(number),
        "type": phonenumbers.PhoneNumberType.to_string(phonenumbers.number_type(number)),
        "reason": None,
    }


def read_corpus(corpus, **how):
    texts, countries = (pa.array(column) for column in zip(*corpus, strict=True))
    return pa.array(phonematch.normalise(texts, countries, **how)).to_pylist()


def test_the_metadata_is_the_one_that_the_tests_compare_with():
    assert phonematch.METADATA_VERSION == phonenumbers.__version__


def test_without_checks_for_damage_the_decisions_are_the_references(corpus):
    ours = read_corpus(corpus, damage_checks=False)
    assert len(ours) > 10_000
    different = [
        row
        for row, ((text, country), read) in enumerate(zip(corpus, ours, strict=True))
        if (read if read["e164"] else None) != reference(text, country)
    ]
    assert different == []
    assert sum(read["e164"] is not None for read in ours) > 5_000


def test_the_column_is_what_the_command_writes(corpus, command, rows_of, tmp_path):
    # Cells of one line: what a file holds is cut otherwise.
    plain = [row for row in corpus if not set('\r\n\0"') & set(row[0])]
    file = tmp_path / "phones.tsv"
    text = "\n".join(["phone\tcountry", *("\t".join(row) for row in plain)])
    file.write_text(text + "\n", encoding="utf-8")
    columns = ["--phone-column", "phone", "--country-column", "country"]
    for checks in (False, True):
        flags = ["--damage-checks"] if checks else []
        written = rows_of(command("normalise", file, *columns, *flags, "--quiet"))
        ours = read_corpus(plain, damage_checks=checks)
        assert len(written) == len(ours)
        for theirs, read in zip(written, ours, strict=True):
            expected = {name: theirs[name] or None for name in ("e164", "type", "reason")}
            assert {name: read[name] for name in expected} == expected


def test_one_number_is_read_as_a_column_of_it_is(corpus):
    few = corpus[::50]
    for checks in (False, True):
        column = read_corpus(few, damage_checks=checks)
        for (text, country), row in zip(few, column, strict=True):
            # A country that is none leaves international spellings only.
            if len(country) not in (0, 2):
                continue
            one = phonematch.read(text, country or None, damage_checks=checks)
            assert {name: getattr(one, name) for name in row} == row
            assert bool(one) == (row["e164"] is not None)


@pytest.mark.parametrize(
    ("text", "how", "e164", "reason"),
    [
        ("12025550123", {"export": True}, "+12025550123", None),
        ("12025550123", {}, None, "invalid_country_code"),
        ("0171 39200 01", {"country": "de"}, "+491713920001", None),
        ("442079460000.0", {"export": True}, None, "float_suffix"),
        ("+12345678900", {}, None, "placeholder"),
    ],
)
def test_one_number(text, how, e164, reason):
    read = phonematch.read(text, **how)
    assert (read.e164, read.reason) == (e164, reason)
    column = pa.array(phonematch.normalise(pa.array([text]), **how)).to_pylist()
    assert (column[0]["e164"], column[0]["reason"]) == (e164, reason)
