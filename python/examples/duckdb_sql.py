"""DuckDB: the reader as a function of SQL, called with whole vectors.

    python duckdb_sql.py

Prints:

    +12025550123 1
    +491713920001 2
    None 1
"""

import duckdb
import phonematch
import pyarrow as pa

READ = "STRUCT(e164 VARCHAR, region VARCHAR, type VARCHAR, reason VARCHAR)"


def read_phone(phones, countries):
    return pa.chunked_array([pa.array(phonematch.normalise(phones, countries))])


database = duckdb.connect()
database.create_function(
    "read_phone", read_phone, ["VARCHAR", "VARCHAR"], READ, type="arrow", null_handling="special"
)
database.sql(
    """
    create table leads as from (values
        ('(202) 555-0123', 'US'), ('0171 39200 01', 'DE'), ('+49 171 3920001', null), (null, 'DE')
    ) as leads(phone, country)
    """
)
people = database.sql(
    """
    select (read_phone(phone, country)).e164 as e164, count(*) as leads
    from leads group by all order by e164 nulls last
    """
)
for e164, leads in people.fetchall():
    print(e164, leads)
