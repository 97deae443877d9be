"""The job as DuckDB does it: consent, opt-outs, plain SHA-256 on both sides, join, Parquet out.

Called by run.py with a JSON object; prints the seconds that the query took, imports left out.
"""

import json
import sys
import time

import duckdb


def main():
    job = json.loads(sys.argv[1])
    accounts = {
        "csv": f"read_csv('{job['accounts']}', header=true, delim=',', all_varchar=true)",
        "parquet": f"read_parquet('{job['accounts']}')",
    }[job["format"]]
    listed = f"read_csv('{job['list']}', header=true, delim=',', all_varchar=true)"
    digest = {"e164": "sha256(e164)", "phone_sha256": "phone_sha256"}[job["list_column"]]
    opt_outs = f"read_csv('{job['opt_outs']}', header=true, delim=',', all_varchar=true)"
    started = time.perf_counter()
    connection = duckdb.connect()
    connection.execute(f"SET threads = {job['threads']}")
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"""
        COPY (
            SELECT DISTINCT sha256(account.phone) AS digest, account.os, account.device
            FROM {accounts} AS account
            ANTI JOIN {opt_outs} AS opt_out ON account.phone = opt_out.e164
            SEMI JOIN {listed} AS listed ON sha256(account.phone) = {digest}
            WHERE account.consent_ads IS NULL OR account.consent_ads <> 'denied'
        ) TO '{job['out']}' (FORMAT parquet, COMPRESSION zstd)
    """)
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
