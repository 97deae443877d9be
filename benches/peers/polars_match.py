"""The job as Polars does it: consent, opt-outs, plain SHA-256 on both sides, join, Parquet out.

Called by run.py with a JSON object; prints the seconds that the query took, imports left out.
SHA-256 is the plugin polars-hash, as Polars has none of its own.
"""

import json
import sys
import time

import polars as pl
import polars_hash  # noqa: F401  registers the name space `chash`


def main():
    job = json.loads(sys.argv[1])
    started = time.perf_counter()
    text = {"infer_schema": False}
    if job["format"] == "csv":
        accounts = pl.scan_csv(job["accounts"], **text)
    else:
        accounts = pl.scan_parquet(job["accounts"])
    listed = pl.scan_csv(job["list"], **text)
    if job["list_column"] == "e164":
        listed = listed.select(digest=pl.col("e164").chash.sha2_256())
    else:
        listed = listed.select(digest="phone_sha256")
    opt_outs = pl.scan_csv(job["opt_outs"], **text)
    consent = pl.col("consent_ads")
    (
        accounts.select("phone", "consent_ads", "os", "device")
        .filter(consent.is_null() | (consent != "denied"))
        .join(opt_outs, left_on="phone", right_on="e164", how="anti")
        .select(pl.col("phone").chash.sha2_256().alias("digest"), "os", "device")
        .join(listed, on="digest", how="semi")
        .sink_parquet(job["out"], compression="zstd")
    )
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
