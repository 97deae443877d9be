"""Every kind of Arrow column is read alike, and what is none is refused."""

import duckdb
import pandas as pd
import phonematch
import polars as pl
import pyarrow as pa
import pytest

CELLS = ["+1 202-555-0123", None, "0171 39200 01", "n/a", "+44 20 7946 0000"]
READ = [
    {"e164": "+12025550123", "region": "US", "type": "FIXED_LINE_OR_MOBILE", "reason": None},
    {"e164": None, "region": None, "type": None, "reason": "empty"},
    {"e164": "+491713920001", "region": "DE", "type": "MOBILE", "reason": None},
    {"e164": None, "region": None, "type": None, "reason": "empty"},
    {"e164": "+442079460000", "region": "GB", "type": "FIXED_LINE", "reason": None},
]


def rows(normalised):
    return pa.array(normalised).to_pylist()


STRINGS = pa.array(CELLS)
COLUMNS = {
    "string": STRINGS,
    "large_string": STRINGS.cast(pa.large_string()),
    "string_view": STRINGS.cast(pa.string_view()),
    "binary": STRINGS.cast(pa.binary()),
    "large_binary": STRINGS.cast(pa.large_binary()),
    "binary_view": STRINGS.cast(pa.binary_view()),
    "dictionary": STRINGS.dictionary_encode(),
    "an array with an offset": pa.array(["x", *CELLS, "y"]).slice(1, 5),
    "chunks": pa.chunked_array([CELLS[:1], [], CELLS[1:4], CELLS[4:]], pa.string()),
    "a batch": pa.record_batch([STRINGS], names=["phone"]),
    "a table": pa.table({"phone": pa.chunked_array([CELLS[:2], CELLS[2:]])}),
    "a reader": lambda: pa.table({"phone": STRINGS}).to_reader(max_chunksize=2),
    "polars series": pl.Series(CELLS),
    "polars categories": pl.Series(CELLS, dtype=pl.Categorical),
    "polars frame": pl.DataFrame({"phone": CELLS}),
    "pandas": pd.Series(CELLS, dtype=pd.ArrowDtype(pa.string())),
    "duckdb": lambda: duckdb.sql("select unnest($1) as phone", params=[CELLS]),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_every_kind_of_column_is_read_alike(kind):
    column = COLUMNS[kind]
    column = column() if callable(column) else column
    assert rows(phonematch.normalise(column, country="DE")) == READ


@pytest.mark.parametrize("kind", COLUMNS)
def test_countries_come_in_parts_of_their_own(kind):
    countries = ["US", "", "de", None, "Germany"]
    column = COLUMNS[kind]
    for parts in ([countries], [countries[:3], countries[3:]], [[one] for one in countries]):
        chunked = pa.chunked_array(parts, pa.string())
        read = phonematch.normalise(column() if callable(column) else column, chunked)
        assert rows(read) == READ


def test_whole_numbers_are_read_as_their_digits_and_a_column_of_nulls_as_empty():
    whole = phonematch.normalise(pa.array([12025550123, None]), export=True)
    assert [row["e164"] for row in rows(whole)] == ["+12025550123", None]
    nulls = phonematch.normalise(pa.nulls(2))
    assert [row["reason"] for row in rows(nulls)] == ["empty", "empty"]


def test_nothing_gives_nothing_of_the_right_type():
    text = pa.string()
    for nothing in (pa.array([], text), pa.chunked_array([], text), pl.Series([], dtype=pl.String)):
        read = phonematch.normalise(nothing, pa.array([], pa.string()))
        assert (len(read), rows(read)) == (0, [])
        assert pl.DataFrame(read).columns == ["e164", "region", "type", "reason"]
        assert pa.table(read).num_rows == 0


def test_a_row_that_is_null_as_a_whole_is_null():
    table = pa.StructArray.from_arrays(
        [pa.array(["+12025550123", "+12025550124"])], names=["phone"], mask=pa.array([False, True])
    )
    assert [row["reason"] for row in rows(phonematch.normalise(table))] == [None, "empty"]


def test_what_is_given_back_is_taken_by_everybody():
    read = phonematch.normalise(STRINGS, "DE")
    expected = [row["e164"] for row in READ]
    assert pl.DataFrame(read)["e164"].to_list() == expected
    assert pl.Series(read).struct.field("e164").to_list() == expected
    assert pl.Series(read.e164).to_list() == expected
    assert pa.table(read)["e164"].to_pylist() == expected
    assert pa.array(read.reason).to_pylist() == [row["reason"] for row in READ]
    assert pa.array(read.region).to_pylist() == [row["region"] for row in READ]
    assert pa.array(read.type).to_pylist() == [row["type"] for row in READ]
    numbers = pa.table(read)
    assert duckdb.sql("select count(e164) from numbers").fetchall() == [(3,)]
    assert pa.schema(read).names == ["e164", "region", "type", "reason"]


def test_parts_stay_parts_and_become_one_where_one_is_asked_for():
    many = pa.chunked_array([CELLS] * 300)
    read = phonematch.normalise(many, "DE")
    assert rows(read) == READ * 300
    assert pa.table(read)["e164"].num_chunks == 300
    long = pa.array(CELLS * 500_000)
    read = phonematch.normalise(long, "DE")
    assert len(read) == len(long)
    assert pa.table(read)["e164"].num_chunks == 3
    assert pa.array(read.e164).null_count == 2 * 500_000


@pytest.mark.parametrize(
    ("phones", "country", "error", "message"),
    [
        (["+1 202-555-0123"], None, TypeError, "phones must be an Arrow array or stream"),
        ("+1 202-555-0123", None, TypeError, "phones must be an Arrow array or stream"),
        (pa.array([12025550123.0]), None, TypeError, "Float64 holds no text"),
        (pa.array([["+12025550123"]]), None, TypeError, "holds no text"),
        (pa.table({"a": CELLS, "b": CELLS}), None, TypeError, "phones has 2 columns; select one"),
        (STRINGS, "DEU", ValueError, "a country must be two letters"),
        (STRINGS, 49, TypeError, "country must be an Arrow array or stream"),
        (STRINGS, pa.array(["DE"] * 4), ValueError, "country has fewer rows than phones"),
        (STRINGS, pa.array(["DE"] * 6), ValueError, "country has more rows than phones"),
        (STRINGS, pa.array([49] * 5).cast(pa.float64()), TypeError, "country cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused(phones, country, error, message):
    with pytest.raises(error, match=message):
        phonematch.normalise(phones, country)


def test_an_export_has_no_country():
    with pytest.raises(ValueError, match="give no country"):
        phonematch.normalise(STRINGS, "DE", export=True)
    with pytest.raises(ValueError, match="give no country"):
        phonematch.read("x", "DE", export=True)


def test_a_stream_is_read_once():
    reader = pa.table({"phone": STRINGS}).to_reader()
    phonematch.normalise(reader)
    assert rows(phonematch.normalise(reader)) == []


def test_a_producer_that_fails_ends_the_column():
    def batches():
        yield pa.record_batch([STRINGS], names=["phone"])
        raise RuntimeError("+1 202-555-0199 is no good")

    schema = pa.schema({"phone": pa.string()})
    reader = pa.RecordBatchReader.from_batches(schema, batches())
    with pytest.raises(ValueError, match="phones cannot be read") as raised:
        phonematch.normalise(reader)
    assert "0199" not in str(raised.value)
