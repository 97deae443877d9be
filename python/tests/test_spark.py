"""`phonematch.spark` as far as it goes without an engine: what it refuses, and what its workers
decide.

Workers are held against a published run of the command: joined by hand, their keys give its tokens.
"""

import base64
import csv
import json
import pickle
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT
from phonematch import _native, spark
from phonematch.spark import scope, workers, writing

POLICIES = ROOT / "fixtures" / "policies"


def rules_of(purpose):
    return scope.rules_of(POLICIES / f"{purpose}.toml", purpose)[0]


def test_the_module_needs_no_engine_until_it_is_given_one():
    assert "pyspark" not in sys.modules
    assert spark.match.__doc__ and spark.Run.write.__doc__


@pytest.mark.parametrize(
    ("purpose", "without", "says"),
    [
        ("business_messaging", (), "business_messaging stays on one machine"),
        ("analytics", (), "analytics stays on one machine"),
        ("ads", (), r'without=\("advertiser_figures",\)'),
        ("ads", ("ledger",), "cannot do without ledger"),
        ("anti_spam", ("advertiser_figures",), "has no advertiser_figures"),
    ],
)
def test_what_stays_on_one_machine_is_refused_by_name(purpose, without, says):
    with pytest.raises(spark.Refused, match=says) as raised:
        scope.check_scope(rules_of(purpose), without)
    assert raised.value.exit_code == 78


@pytest.mark.parametrize("purpose", ["ads", "anti_spam"])
def test_what_works_on_an_engine_is_not_refused(purpose):
    without = ("advertiser_figures",) if purpose == "ads" else ()
    scope.check_scope(rules_of(purpose), without)


def test_a_policy_that_is_none_or_another_purpose_s_is_refused(tmp_path):
    with pytest.raises(spark.Refused, match="the policy is for ads"):
        scope.rules_of(POLICIES / "ads.toml", "anti_spam")
    with pytest.raises(spark.Refused, match="cannot read the policy"):
        scope.rules_of(tmp_path / "none.toml", "ads")
    policy = tmp_path / "policy.toml"
    policy.write_text((POLICIES / "ads.toml").read_text() + "\nhearsay = 1\n")
    with pytest.raises(spark.Refused, match="unknown field"):
        scope.rules_of(policy, "ads")


def test_the_run_s_day_is_a_day_or_an_instant_with_a_zone():
    import datetime

    assert scope.day_of("2026-11-22") == "2026-11-22"
    zone = datetime.timezone(datetime.timedelta(hours=14))
    assert scope.day_of(datetime.datetime(2026, 11, 22, 9, tzinfo=zone)) == "2026-11-21"
    for wrong in ("today", datetime.datetime(2026, 11, 22)):
        with pytest.raises(spark.Refused):
            scope.day_of(wrong)


def test_columns_are_found_as_a_run_finds_them():
    rules = rules_of("ads")
    found = rules.columns("accounts", ["MSISDN", "consent_ads", "os", "name"], "export")
    assert found == {"phone": "MSISDN", "consent": "consent_ads", "os": "os"}
    mapped = rules.columns("list", ["a", "b"], "spring", {"phone": "b"})
    assert mapped == {"phone": "b"}
    for names, says in (
        (["phone"], "consent"),
        (["phone", "mobile", "consent_ads"], "more than one"),
    ):
        with pytest.raises(_native.InputError, match=says):
            rules.columns("accounts", names, "export")


def batch_of(rows, columns):
    """Rows of a CSV file as an engine would give them: columns by field."""
    names = {field: name for field, name in columns.items() if not rows or name in rows[0]}
    return pa.RecordBatch.from_pydict(
        {field: [row[name] for row in rows] for field, name in names.items()}
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory, command):
    """A world, what a run published of it, and its report."""
    folder = tmp_path_factory.mktemp("world")
    command("synth", "--accounts", "20000", "--list", "4000", "--seed", "7", "--out", folder)
    policy = (folder / "policy.toml").read_text()
    begin, end = policy.index("[noise]"), policy.index("[opt_outs]")
    exact = policy[:begin] + '[noise]\ndistribution = "none"\n\n' + policy[end:]
    (folder / "policy.toml").write_text(exact)
    command("match", "--job", folder / "job.toml", "--out", folder / "run", "--quiet")
    return folder


def rows_of_file(folder, name):
    with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def keyed(world):
    """Accounts, list and opt-outs of a world as workers key them, row by row."""
    keyer = _native.Keyer(world / "secret.key")
    rules = _native.Rules((world / "policy.toml").read_text())
    read = {}
    for role, name in (("accounts", "accounts"), ("list", "list"), ("opt_outs", "opt_outs")):
        rows = rows_of_file(world, name)
        read[role] = batch_of(rows, rules.columns(role, list(rows[0]), name))
    accounts = _native.account_rows(keyer, rules, read["accounts"], True, "accounts")
    listed = _native.list_rows(
        keyer,
        rules,
        read["list"],
        phones="by_column",
        recipient="synth",
        only=False,
        list_id="list",
        country=None,
        name="list",
    )
    said_no = _native.opt_out_rows(keyer, rules, read["opt_outs"], True, None, "opt_outs")
    return keyer, *(pa.array(column).to_pylist() for column in (accounts, listed, said_no))


def test_keyed_rows_joined_by_hand_are_the_tokens_of_a_published_run(world):
    keyer, accounts, listed, said_no = keyed(world)
    barred = {key for row in said_no for key in row["bars"] or []}
    for row in accounts:
        if row["barred"] is not None:
            barred |= {row["person"], row["digits"], *(row["others"] or [])}
    free = {row["person"] for row in accounts if row["person"] and row["barred"] is None}
    both = sorted((free & {row["key"] for row in listed if row["key"]}) - barred)
    rows = pa.RecordBatch.from_pydict({"recipient": ["synth"] * len(both), "key": both})
    tokens = pa.array(_native.tokens(keyer, rows, "key")).to_pylist()
    published = pq.read_table(world / "run" / "matches.parquet")["token"].to_pylist()
    assert sorted(tokens) == sorted(published) and len(published) > 300


def test_rows_are_rejected_and_barred_for_the_reasons_of_the_report(world):
    _, accounts, listed, said_no = keyed(world)
    report = json.loads((world / "run" / "report.json").read_text())
    by_role = {it["role"]: it for it in report["inputs"]}
    for role, rows in (("accounts", accounts), ("list", listed), ("opt_outs", said_no)):
        reasons = {}
        for row in rows:
            if row["reject"] is not None:
                reasons[row["reject"]] = reasons.get(row["reject"], 0) + 1
        assert reasons == by_role[role]["rejected_by"], role
    denied = sum(row["barred"] == "denied" for row in accounts)
    assert denied > 500 and denied >= by_role["accounts"]["barred_by"]["denied"]


def test_junk_and_nulls_have_no_key(secret_file):
    keyer, rules = _native.Keyer(secret_file), rules_of("ads")
    junk = [None, "", "n/a", "0000000000", "4.47911E+11", "447911123456.0", "\0", "x" * 300]
    rows = pa.RecordBatch.from_pydict({"phone": junk, "consent": ["granted"] * len(junk)})
    read = pa.array(_native.account_rows(keyer, rules, rows, True, "accounts")).to_pylist()
    assert all(row["person"] is None and row["digits"] is None for row in read)
    assert all(row["reject"] is not None for row in read)


def test_an_unreadable_row_that_denies_bars_whoever_it_may_mean(secret_file):
    keyer, rules = _native.Keyer(secret_file), rules_of("ads")
    phones = ["5215512345678", "525512345678.0"]
    rows = pa.RecordBatch.from_pydict({"phone": phones, "consent": ["denied", "no"]})
    read = pa.array(_native.account_rows(keyer, rules, rows, False, "accounts")).to_pylist()
    meant = pa.array(keyer.match_key(pa.array(["+525512345678"]))).to_pylist()[0]
    for row in read:
        assert row["barred"] == "denied"
        assert meant in {row["person"], *(row["others"] or [])}


def test_every_kind_of_text_reads_alike_and_a_fraction_is_refused(secret_file):
    keyer, rules = _native.Keyer(secret_file), rules_of("anti_spam")
    texts = pa.array(["+12025550123", None, "+442079460000"])
    kinds = [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()]
    columns = [texts.cast(kind) for kind in kinds] + [texts.dictionary_encode()]
    read = [
        pa.array(
            _native.account_rows(
                keyer, rules, pa.RecordBatch.from_arrays([it], ["phone"]), False, "accounts"
            )
        )
        for it in columns
    ]
    assert all(it.equals(read[0]) for it in read)
    kinds = {field.type for field in read[0].type}
    assert kinds == {pa.string(), pa.binary(), pa.list_(pa.binary()), pa.int32(), pa.int64()}
    fraction = pa.RecordBatch.from_pydict({"phone": [12025550123.0]})
    with pytest.raises(_native.InputError, match="floating-point") as raised:
        _native.account_rows(keyer, rules, fraction, False, "accounts")
    assert "2025550123" not in str(raised.value)


def test_attributes_are_shown_in_company_only():
    rules = _native.Rules(
        (POLICIES / "ads.toml").read_text().replace("attribute_cell = 50", "attribute_cell = 5")
    )
    groups = pa.RecordBatch.from_pydict(
        {
            "lists": pa.array([[0], [0], [0, 1]], pa.list_(pa.int32())),
            "region": ["DE", "DE", "GB"],
            "os": ["ios", "ios", "android"],
            "os_version": pa.array([17, 18, None], pa.int32()),
            "device": ["phone", "phone", None],
            "many": [4, 3, 9],
        }
    )
    shown = pa.array(rules.show_alike(groups)).to_pylist()
    alike = {"region": "DE", "os": "ios", "os_version": None, "device": "phone"}
    alone = {"region": "GB", "os": "android", "os_version": None, "device": None}
    assert shown == [alike, alike, alone]


def test_lists_and_people_are_withheld_for_the_policy_s_reasons():
    rules = rules_of("ads")
    lists = pa.RecordBatch.from_pydict(
        {
            "numbers": [99, 100, 100, 100],
            "recipient_numbers": [99, 100, 10_000_001, 100],
            "matched": [99, 100, 100, 99],
        }
    )
    expected = ["list_too_small", None, "lists_too_large", "too_few_matched"]
    assert pa.array(rules.withhold_lists(lists)).to_pylist() == expected
    day = 24 * 60 * 60
    people = pa.RecordBatch.from_pydict(
        {
            "region": ["DE", None, "DE"],
            "verified": pa.array([20_000 * day, None, 1], pa.int64()),
            "contact": pa.array([19_000 * day, 1, 1], pa.int64()),
        }
    )
    reasons = pa.array(rules.withhold_people(people, "2026-11-22")).to_pylist()
    assert reasons == ["recycled_number", None, None]
    assert set(reasons) - {None} <= set(_native.Rules.withhold_reasons())


def test_a_part_is_laid_out_as_the_command_s_file_is(world, tmp_path):
    published = pq.ParquetFile(world / "run" / "matches.parquet")
    path = tmp_path / "part-0.parquet"
    writer = _native.PartWriter(path, writing.MATCHES, "ads")
    for batch in published.iter_batches():
        writer.write(batch)
    size, digest = writer.finish()
    assert path.stat().st_size == size and len(digest) == 64
    assert path.read_bytes() == (world / "run" / "matches.parquet").read_bytes()
    with pytest.raises(ValueError, match="no such table"):
        _native.PartWriter(tmp_path / "x", "people.parquet", "ads")
    with pytest.raises(OSError, match="cannot create"):
        _native.PartWriter(path, writing.MATCHES, "ads")


def test_what_is_sent_to_executors_holds_no_secret_even_after_it_was_used(secret_file):
    """Whole workers travel. Each has read rows by the secret here, and keeps nothing of it."""
    keys = workers.Keys((POLICIES / "ads.toml").read_text(), str(secret_file), True)
    options = dict.fromkeys(("recipient", "list_id"), "spring") | {"phones": "raw", "only": False}
    sent = [
        workers.Accounts(keys, "accounts", ()),
        workers.Lists(keys, "list", (), {**options, "country": None}),
        workers.OptOuts(keys, "opt_outs", (), {"country": None}),
    ]
    phones, yes = ["+12025550123"], ["granted"]
    rows = pa.RecordBatch.from_pydict({"phone": phones, "consent": yes})
    made = [list(worker(iter([rows])))[0] for worker in sent]
    keys_of = [
        made[0]["person"][0].as_py(),
        made[1]["key"][0].as_py(),
        made[2]["bars"][0].as_py()[0],
    ]
    assert len(set(keys_of)) == 1 and len(keys_of[0]) == 16
    people = pa.RecordBatch.from_pydict({"recipient": ["acme"], "key": [keys_of[0]]})
    sent.append(workers.Tokens(keys, (("key", "token"),)))
    (named,) = sent[-1](iter([people]))
    secret = secret_file.read_bytes()
    forms = [secret, secret.hex().encode(), base64.b64encode(secret), keys_of[0], b"2025550123"]
    forms.append(named["token"][0].as_py().encode())
    for worker in sent:
        pickled = pickle.dumps(worker)
        assert not any(form in pickled for form in forms)
        assert str(secret_file).encode() in pickled
