"""The match twice more, naively: with dictionaries, and as SQL over normalised columns.

Both know an opt-out's aliases from `people.py`, and neither knows floors, dates or hashed opt-outs:
they are for worlds that `synth` makes, where every list is far above its floors. What they find are
E.164 texts; `tokens` names them as the product does.
"""

import csv

import phonematch
import pyarrow as pa

from people import aliases

YES = {"granted", ""}


def match(folder):
    """The numbers of one list that are accounts' and that nobody's no bars; one row at a time."""
    barred, accounts, listed = set(), set(), set()
    for row in _rows(folder / "opt_outs.csv"):
        if row["purpose"] in ("", "ads"):
            barred.update(aliases(phonematch.read(row["phone"]).e164[1:]))
    for row in _rows(folder / "accounts.csv"):
        number = phonematch.read(row["phone"], export=True).e164[1:]
        accounts.add(number)
        if row["consent_ads"] not in YES:
            barred.update(aliases(number))
    for row in _rows(folder / "list.csv"):
        read = phonematch.read(row["phone"], row["country"] or None)
        if read.e164 and read.type in PERSONAL:
            listed.add(read.e164[1:])
    return {f"+{number}" for number in (accounts & listed) - barred}


PERSONAL = {"MOBILE", "FIXED_LINE", "FIXED_LINE_OR_MOBILE", "VOIP", "PERSONAL_NUMBER"}


def _rows(path):
    with path.open(newline="", encoding="utf-8") as lines:
        yield from csv.DictReader(lines)


def match_in_duckdb(folder, threads=2):
    """The same as SQL: columns are normalised first, aliases are a function of SQL's."""
    import duckdb

    base = duckdb.connect(config={"threads": threads})
    base.create_function("alias_list", _alias_lists, ["VARCHAR"], "VARCHAR[]", type="arrow")
    for name in ("accounts", "list", "opt_outs"):
        path = str(folder / f"{name}.csv")
        base.execute(f"CREATE TABLE {name}_raw AS FROM read_csv($1, all_varchar=true)", [path])
        rows = base.sql(f"FROM {name}_raw").to_arrow_table()
        country = rows["country"] if name == "list" else None
        read = phonematch.normalise(rows["phone"], country, export=name == "accounts")
        read = pa.table(read).rename_columns(["e164", "number_region", "number_type", "reason"])
        for column in read.column_names:
            rows = rows.append_column(column, read[column])
        base.register(f"{name}_read", rows)
    found = base.execute(_QUERY).fetchall()
    base.close()
    return {number for (number,) in found}


_QUERY = """
WITH said_no AS (
    SELECT e164 FROM opt_outs_read WHERE coalesce(purpose, '') IN ('', 'ads')
    UNION ALL
    SELECT e164 FROM accounts_read WHERE coalesce(consent_ads, '') NOT IN ('', 'granted')
), barred AS (
    SELECT DISTINCT unnest(alias_list(e164)) AS e164 FROM said_no WHERE e164 IS NOT NULL
)
SELECT DISTINCT e164 FROM list_read
SEMI JOIN accounts_read USING (e164) ANTI JOIN barred USING (e164)
WHERE number_type IN
    ('MOBILE', 'FIXED_LINE', 'FIXED_LINE_OR_MOBILE', 'VOIP', 'PERSONAL_NUMBER')
"""


def _alias_lists(numbers):
    found = [[f"+{alias}" for alias in aliases(number[1:])] for number in numbers.to_pylist()]
    return pa.array(found, pa.list_(pa.string()))


def tokens(numbers, secret_file, recipient):
    """What a recipient's files call these people."""
    keyer = phonematch.Keyer(secret_file)
    keys = keyer.match_key(pa.array(sorted(numbers), pa.string()))
    return set(pa.array(keyer.token(keys, recipient)).to_pylist())
