"""Polars: normalise a column, count why rows were not read, key the rest.

    python polars_frame.py

Prints:

    +12025550123 US
    None None
    +491713920001 DE
    reasons: {'multiple_numbers': 1}
    2 keys, 2 tokens
"""

from pathlib import Path

import phonematch
import polars as pl

leads = pl.DataFrame(
    {
        "phone": ["(202) 555-0123", "0171 39200 01; 0171 39200 02", "0171 39200 01"],
        "country": ["US", "DE", "DE"],
    }
)

numbers = pl.DataFrame(phonematch.normalise(leads["phone"], leads["country"]))
for e164, region in numbers.select("e164", "region").iter_rows():
    print(e164, region)

unread = numbers.filter(pl.col("reason").is_not_null())
print("reasons:", dict(unread.group_by("reason").len().iter_rows()))

# `phonematch keygen` makes a real one; this one is for show.
secret = Path("secret.key")
secret.touch(mode=0o600)
secret.write_bytes(bytes(range(32)))
keyer = phonematch.Keyer(secret)
keyed = leads.with_columns(key=pl.Series(keyer.match_key(numbers["e164"])))
tokens = pl.Series(keyer.token(keyed["key"], "acme"))
print(f"{keyed['key'].count()} keys, {tokens.count()} tokens")
