"""The entry of `phonematch.spark` as far as it goes without an engine: settings, refusals,
codes."""

import re

import pytest
from conftest import ROOT
from phonematch.spark import Refused, SecretUnreadable, entry, scope, tables
from phonematch.spark.errors import RunError

JOB = """
name = "nightly"
purpose = "anti_spam"
policy = "policy.toml"
out = "runs/today"
recipient = "house"
[secret]
file = "secret.key"
[accounts]
files = ["export/*.parquet"]
columns = { phone = "msisdn" }
[[lists]]
files = ["spring.csv.gz", "s3://lists/summer.parquet"]
country = "DE"
[opt_outs]
files = ["opt_outs.csv"]
"""


@pytest.fixture
def job_of(tmp_path, monkeypatch):
    """A job file's settings, as the entry reads them."""
    monkeypatch.delenv("PHONEMATCH_SECRET_FILE", raising=False)

    def read(*words, text=JOB):
        path = tmp_path / "jobs" / "nightly.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return entry.read_job(["--job", str(path), *words])

    return read


def test_settings_are_those_of_the_command_flags_before_variables_before_the_file(
    job_of, tmp_path, monkeypatch
):
    monkeypatch.setenv("PHONEMATCH_IF_EXISTS", "skip")
    job = job_of("--scratch", "s3://tmp", "--out", "elsewhere", "--without", "advertiser_figures")
    entry.check_settings(job)
    here = tmp_path / "jobs"
    exported = tables.File("export/*.parquet", str(here / "export" / "*.parquet"))
    assert job.files("accounts.files") == [exported]
    assert job.get("accounts.columns") == {"phone": "msisdn"}
    assert job.files("lists.1.files")[1].path == "s3://lists/summer.parquet"
    assert job.get("lists.1.country") == "DE"
    assert job.get("if_exists") == "skip"
    assert not job.path("out").startswith(str(here))
    assert job.without == ["advertiser_figures"] and job.scratch == "s3://tmp"
    for words in (["--scratch"], ["--scratch", ""], ["--without", "--scratch", "tmp"]):
        with pytest.raises(RunError) as raised:
            job_of(*words)
        assert raised.value.exit_code == 2 and "has no value" in str(raised.value)
    assert entry._secret(job) == str(here / "secret.key")
    assert tables.stem(job.files("lists.1.files")[0].path) == "spring"
    assert tables.stem("lists/*.parquet") is None


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('sample = "1%"', "sample"),
        ("dry_run = true", "dry_run"),
        ('metrics_file = "x.prom"', "metrics_file"),
        ('openlineage_file = "x.ndjson"', "openlineage_file"),
        ('previous = "runs/old"', "previous"),
        ('ledger = "ledger.bin"', "ledger"),
        ('history = "history.bin"', "history"),
        ('memory = "1 GB"', "memory"),
    ],
)
def test_a_setting_that_stays_on_one_machine_is_refused_by_name(job_of, line, name):
    job = job_of(text=line + "\n" + JOB)
    with pytest.raises(Refused, match=f"^{name} stays on one machine") as raised:
        entry.check_settings(job)
    assert raised.value.exit_code == 78


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('country = "DE"', 'several_numbers = "separate"', "several_numbers stays on one machine"),
        ('files = ["opt_outs.csv"]', "", "has no opt_outs.files"),
        ('["export/*.parquet"]', '["-"]', "standard input"),
    ],
)
def test_what_no_executor_can_read_is_refused(job_of, old, new, says):
    with pytest.raises(Refused, match=says):
        entry.check_settings(job_of(text=JOB.replace(old, new)))


def test_errors_of_the_command_keep_its_code_and_what_it_says(job_of, tmp_path, capsys):
    with pytest.raises(entry.CommandRefused, match="hearsay") as raised:
        job_of(text="hearsay = 1\n" + JOB)
    assert raised.value.exit_code == 78
    assert entry.main(["--job", str(tmp_path / "none.toml")]) == 78
    assert entry.main(["--no-such-flag"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "error" in err


def test_a_job_without_a_secret_ends_with_its_code(job_of):
    job = job_of(text=JOB.replace('[secret]\nfile = "secret.key"\n', ""))
    with pytest.raises(SecretUnreadable) as raised:
        entry._secret(job)
    assert raised.value.exit_code == 77


def test_a_secret_that_may_be_made_is_refused(job_of):
    job = job_of(text=JOB.replace('"secret.key"', '"secret.key"\nif_missing = "create"'))
    with pytest.raises(Refused, match="secret.if_missing stays on one machine"):
        entry.check_settings(job)


def test_a_ledger_is_no_matter_where_nobody_is_charged(job_of):
    job = job_of("--without", "advertiser_figures", text='ledger = "ledger.bin"\n' + JOB)
    entry.check_settings(job)


@pytest.mark.parametrize(
    ("names", "country"),
    [(["spring list"], None), (["a b"], "DE"), (["+12025550123"], None), ([], "D")],
)
def test_names_that_rows_cannot_have_are_refused_before_a_row_is_read(names, country):
    scope.check_names(["spring-1"], "DE")
    with pytest.raises(Refused) as raised:
        scope.check_names(names, country)
    assert raised.value.exit_code == 78
    assert not any(name in str(raised.value) for name in names)


def test_a_line_that_ends_within_quotes_is_told_from_one_that_does_not():
    for delimiter in ",;\t|":
        open_at_end = re.compile(tables.open_quote(delimiter))
        for line in (
            '"a',
            '1,"a',
            '1,"a""',
            '1,"a, b',
            '"a","b',
            '1,"a""b,c',
            'a"b,"c',
            '"',
            '"a" ,"b',
        ):
            assert open_at_end.search(line.replace(",", delimiter)), line
        for line in (
            "",
            "a,b",
            '"a"',
            '1,"a, b",c',
            '1,5" tall,c',
            'a"b,c"d,e"f',
            '"a""b",c',
            '"",b',
            '"x,"",y"',
            '"x"",""y"',
            '"a" ,b',
        ):
            assert not open_at_end.search(line.replace(",", delimiter)), line


def test_only_a_lost_engine_is_worth_another_try():
    class SparkException(Exception):
        pass

    class PythonException(SparkException):
        pass

    for kind in (SparkException, PythonException):
        kind.__module__ = "pyspark.errors.exceptions.captured"
    for error, code in (
        (SparkException(), 74),
        (ConnectionResetError(), 74),
        (PythonException(), 70),
        (KeyError("a cell"), 70),
        (ValueError("a cell"), 70),
    ):
        failed = entry.failure_of(error)
        assert failed.exit_code == code and "cell" not in str(failed)


def test_help_is_no_error(capsys):
    assert entry.main(["--help"]) == 0
    assert "--job" in capsys.readouterr().out


def test_a_run_that_is_there_is_told_before_an_engine_is_started(job_of, tmp_path, capsys):
    there = tmp_path / "jobs" / "runs" / "today"
    job_of()
    policy = ROOT / "fixtures" / "policies" / "anti_spam.toml"
    (tmp_path / "jobs" / "policy.toml").write_bytes(policy.read_bytes())
    there.mkdir(parents=True)
    (there / "notes.txt").write_text("somebody else's")
    words = ["--job", str(tmp_path / "jobs" / "nightly.toml")]
    assert entry.main(words) == 73
    (there / "report.json").write_text('{"rows": 1}')
    (there / "manifest.json").write_text('{"format": 1}')
    assert entry.main(words) == 73
    assert entry.main([*words, "--if-exists", "skip"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told == ['{"exit_code": 0, "report": {"rows": 1}}']


def test_what_a_policy_asks_that_stays_on_one_machine_ends_with_its_code(job_of, tmp_path, capsys):
    job_of(text=JOB.replace("anti_spam", "ads"))
    policy = ROOT / "fixtures" / "policies" / "ads.toml"
    (tmp_path / "jobs" / "policy.toml").write_bytes(policy.read_bytes())
    assert entry.main(["--job", str(tmp_path / "jobs" / "nightly.toml")]) == 78
    assert "advertiser_figures" in capsys.readouterr().err
