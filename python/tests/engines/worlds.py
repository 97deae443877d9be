"""Made-up people with everything that has ever gone wrong, as files for every engine.

`phonematch synth` makes the people; what is added here is what it does not make: opt-outs in the
other forms of a number, denials in them, several accounts and list rows of a number, lists of
hashes in both forms, several lists and recipients, lists below the floors, dates that say that a
number has changed hands, rows of nothing and of junk. Everything is Parquet, of text alone.
"""

import base64
import csv
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import phonematch
import pyarrow as pa
import pyarrow.parquet as pq

from people import aliases

SHIPPED = Path(__file__).resolve().parents[3] / "fixtures" / "policies"
NO_NOISE = '[noise]\ndistribution = "none"\n\n'
PROGRAM = Path(sys.executable).parent / "phonematch"
# Half of them have numbers that are written in two forms.
COUNTRIES = "MX,AR,BR,IT,DE,GB,US,ID"
# Of Ivory Coast and Benin, of which `synth` knows no patterns: the lines that the Rust tests use.
MADE = [f"+{head}{two:02}" for head in ("22507071234", "22901971234") for two in range(100)]
# Days before the run, after it, on none at all: what a date cell may say.
CONTACTS = ["2024-03-01", "2024-03-01T10:00:00Z", "1709287200", "", "", "", "", "soon"]
VERIFIED = ["2023-01-01", "2024-03-01", "2024-06-01", "", "", "", "", "", "never"]
JUNK = ["", " ", "n/a", "null", "0000000000", "4.47911E+11", "447911123456.0", "call me", "+", "\0"]
JUNK += [None, "12025550123;12025550124", "+99912345678", "+49", "hello@example.com"]

ACCOUNTS = ["account_id", "phone", "consent_ads", "consent_friend_suggestions", "os", "device"]
ACCOUNTS += ["verified_at"]
ROWS = ["list_id", "advertiser_id", "phone", "country", "last_contact_at"]
HASHED_ROWS = ["list_id", "advertiser_id", "phone_sha256", "last_contact_at"]
BOOKS = ["list_id", "owner_phone", "phone", "country", "last_contact_at"]
OPT_OUTS = ["phone", "phone_sha256", "country", "purpose"]


@dataclass
class ListFile:
    """One list input: its rows, and the form of its numbers as a job names it."""

    phones: str
    rows: list = field(default_factory=list)


@dataclass
class World:
    """The files of a world, and how the job names them."""

    folder: Path
    purpose: str = "ads"
    lists: dict = field(default_factory=dict)

    @property
    def long_list(self):
        """All lists in one table, numbers in one column and hashes in one; or all address books."""
        name = "books" if self.purpose == "friend_suggestions" else "lists"
        return self.folder / f"{name}.parquet"

    @property
    def accounts(self):
        return self.folder / "accounts.parquet"

    @property
    def opt_outs(self):
        return self.folder / "opt_outs.parquet"

    @property
    def secret(self):
        return self.folder / "secret.key"

    @property
    def policy(self):
        return self.folder / f"{self.purpose}.toml"

    def of(self, purpose):
        """The same people, for another purpose."""
        return replace(self, purpose=purpose)

    def list_file(self, name):
        return self.folder / f"list_{name}.parquet"

    def job(self, out, *, long=True, **settings):
        """A job file of the command, with the long list or a file for each form; gives its path."""
        lists = "".join(
            f'[[lists]]\nfiles = ["{self.list_file(name)}"]\nphones = "{phones}"\n'
            for name, phones in self.lists.items()
        )
        if long:
            lists = f'[[lists]]\nfiles = ["{self.long_list}"]\n'
        more = "".join(f"{key} = {value}\n" for key, value in settings.items())
        path = self.folder / f"job-{self.purpose}.toml"
        path.write_text(
            f'name = "world"\npurpose = "{self.purpose}"\npolicy = "{self.policy}"\n'
            f'out = "{out}"\nprevious = "none"\nrecipient = "house"\n{more}'
            f'secret = {{ file = "{self.secret}" }}\naccounts = {{ files = ["{self.accounts}"] }}\n'
            f'{lists}[opt_outs]\nfiles = ["{self.opt_outs}"]\n'
        )
        return path


def phonematch_command(*words, expected=0):
    """Runs the command of the wheel; gives what it says on standard output."""
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == expected, done.stderr
    return done.stdout


def synth(folder, *, accounts, list_rows, seed, countries=COUNTRIES):
    """The plain world, as rows by file: accounts, list, opt_outs."""
    words = ["--accounts", accounts, "--list", list_rows, "--overlap", 0.5, "--seed", seed]
    words += ["--countries", countries] if countries else []
    phonematch_command("synth", *words, "--out", folder)
    files = {}
    for name in ("accounts", "list", "opt_outs"):
        with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as lines:
            files[name] = list(csv.DictReader(lines))
    return files


def _with_the_made(plain):
    plain["accounts"] += [{"phone": phone, "os": "Android 9", "device": "phone"} for phone in MADE]
    plain["list"] += [{"phone": phone} for phone in MADE]


def hostile(folder, *, accounts=20_000, list_rows=12_000, seed=6):
    """A world of everything at once. Same seed, same files."""
    rng = random.Random(seed)
    folder.mkdir(exist_ok=True)
    plain = synth(folder / "plain", accounts=accounts, list_rows=list_rows, seed=seed)
    _with_the_made(plain)
    people = _accounts(rng, plain["accounts"])
    lists = _lists(rng, plain["list"], plain["accounts"])
    opt_outs = _opt_outs(rng, plain["opt_outs"], plain["accounts"])
    world = World(folder, lists={name: list_file.phones for name, list_file in lists.items()})
    policies(folder)
    write(world.accounts, people, ACCOUNTS)
    for name, list_file in lists.items():
        columns = ROWS if list_file.phones == "raw" else HASHED_ROWS
        write(world.list_file(name), list_file.rows, columns)
    every = [row for list_file in lists.values() for row in list_file.rows]
    write(world.long_list, every, [*ROWS, "phone_sha256"])
    write(folder / "books.parquet", _books(rng, plain["list"], plain["accounts"]), BOOKS)
    write(world.opt_outs, opt_outs, OPT_OUTS)
    phonematch_command("keygen", world.secret)
    return world


def policies(folder, excluded="GB"):
    """The shipped policies. Floors are told exactly, as an engine that keeps no ledger does."""
    for purpose in ("ads", "anti_spam", "friend_suggestions"):
        text = (SHIPPED / f"{purpose}.toml").read_text(encoding="utf-8")
        text = text.replace("attribute_cell = 50", "attribute_cell = 8")
        text = text.replace("excluded_regions = []", f'excluded_regions = ["{excluded}"]')
        text = re.sub(r"\[noise\].*?(?=\[opt_outs\])", NO_NOISE, text, flags=re.DOTALL)
        (folder / f"{purpose}.toml").write_text(text, encoding="utf-8")


def write(path, rows, columns):
    """Rows as Parquet of text, a few row groups of them."""
    cells = {name: [row.get(name) for row in rows] for name in columns}
    table = pa.table({name: pa.array(column, pa.string()) for name, column in cells.items()})
    pq.write_table(table, path, row_group_size=max(1, len(rows) // 3))
    os.utime(path)


def _accounts(rng, plain):
    people = [dict(row, verified_at=rng.choice(VERIFIED)) for row in plain]
    for row in rng.sample(plain, len(plain) // 50):
        # Again, on another device, and now and then with another answer.
        consent = rng.choice(["granted", "", "", "denied", "perhaps"])
        people.append(dict(row, os=rng.choice(["iOS 17.5", "Android 9", ""]), consent_ads=consent))
    with_aliases = [row for row in plain if len(aliases(_digits(row["phone"]))) > 1]
    for row in rng.sample(with_aliases, len(with_aliases) // 50):
        other = rng.choice(aliases(_digits(row["phone"]))[1:])
        people.append(dict(row, phone=f"+{other}", consent_ads="denied"))
    for junk in JUNK:
        people += [{"phone": junk, "consent_ads": consent} for consent in ("", "denied", "granted")]
    # A no in a spelling that matches nobody still bars whom it may mean.
    for row in rng.sample(plain, len(plain) // 100):
        people.append({"phone": f"{row['phone'][1:]}.0", "consent_ads": "opt_out"})
    for number, row in enumerate(people):
        row.setdefault("account_id", f"n{number}")
        row["consent_friend_suggestions"] = rng.choice([row.get("consent_ads"), "granted", ""])
    rng.shuffle(people)
    return people


def _lists(rng, rows, plain_accounts):
    """Six lists of three recipients: raw in one file, and a file for each form of hashes."""
    raw, e164, digits = ListFile("raw"), ListFile("e164"), ListFile("digits")
    names = [("spring", "acme"), ("summer", "acme"), ("spring", "globex"), ("autumn", "")]
    for row in rows:
        contact = rng.choice(CONTACTS)
        list_id, recipient = rng.choices(names, [6, 4, 4, 2])[0]
        kept = dict(row, list_id=list_id, advertiser_id=recipient, last_contact_at=contact)
        raw.rows.append(kept)
        if rng.random() < 0.05:
            raw.rows.append(dict(kept, last_contact_at=rng.choice(CONTACTS)))
        if rng.random() < 0.3:
            other = rng.choice(names)
            raw.rows.append(dict(kept, list_id=other[0], advertiser_id=other[1]))
    # Below the floors: of numbers, and of people who match.
    for row in rng.sample(plain_accounts, 60):
        raw.rows.append({"list_id": "few", "advertiser_id": "acme", "phone": row["phone"]})
    raw.rows += [{"list_id": "spring", "advertiser_id": "acme", "phone": junk} for junk in JUNK]
    for hashed, size in ((e164, 2_500), (digits, 2_500)):
        for row in rng.sample(plain_accounts, min(size, len(plain_accounts))):
            cell = digest(row["phone"], hashed.phones, rng)
            kept = {"list_id": f"hashed_{hashed.phones}", "advertiser_id": "initech"}
            hashed.rows.append(dict(kept, phone_sha256=cell, last_contact_at=rng.choice(CONTACTS)))
        hashed.rows += rng.sample(hashed.rows, len(hashed.rows) // 20)
        # Who is on a list as a number and as hashes is one person.
        for row in plain_accounts[:200]:
            cell = digest(row["phone"], hashed.phones, rng)
            kept = {"list_id": "spring", "advertiser_id": "acme"}
            hashed.rows.append(dict(kept, phone_sha256=cell))
        few = [dict(hashed.rows[0], phone_sha256=junk) for junk in (None, "", "n/a", "g" * 64)]
        hashed.rows += few
    for list_file in (raw, e164, digits):
        rng.shuffle(list_file.rows)
    return {"raw": raw, "e164": e164, "digits": digits}


def _books(rng, rows, plain_accounts):
    """Address books: whose they are is read as in the export."""
    owners = [row["phone"] for row in rng.sample(plain_accounts, 400)] + JUNK
    books = []
    for row in rng.sample(rows, len(rows) // 2) + rng.sample(plain_accounts, 2_000):
        owner, contact = rng.choice(owners), rng.choice(CONTACTS)
        kept = {"phone": row["phone"], "country": row.get("country"), "last_contact_at": contact}
        books.append(dict(kept, list_id=rng.choice(["north", "south"]), owner_phone=owner))
    # A book that holds its owner's own number, and one contact twice.
    books += [dict(book, phone=book["owner_phone"]) for book in books[:50]] + books[:100]
    rng.shuffle(books)
    return books


def _opt_outs(rng, plain, accounts):
    opt_outs = list(plain)
    with_aliases = [row for row in accounts if len(aliases(_digits(row["phone"]))) > 1]
    for row in rng.sample(with_aliases, max(1, len(accounts) // 100)):
        other = rng.choice(aliases(_digits(row["phone"]))[1:])
        opt_outs.append({"phone": rng.choice([f"+{other}", other, f"+{other[:4]} {other[4:]}"])})
    for row in rng.sample(accounts, len(accounts) // 200):
        form = rng.choice(["e164", "digits"])
        opt_outs.append({"phone_sha256": digest(row["phone"], form, rng)})
    for row in rng.sample(accounts, len(accounts) // 200):
        purpose = rng.choice(["ads", "anti_spam", "friend_suggestions", "marketing", ""])
        opt_outs.append({"phone": row["phone"], "purpose": purpose})
    opt_outs += rng.sample(opt_outs, len(opt_outs) // 50)
    rng.shuffle(opt_outs)
    return opt_outs


def digest(phone, form, rng):
    """A cell of a hashed list: hex in either case, or base64."""
    text = phone if form == "e164" else _digits(phone)
    made = hashlib.sha256(text.encode()).digest()
    return rng.choice([made.hex(), made.hex().upper(), base64.b64encode(made).decode()])


def _digits(phone):
    return "".join(filter(str.isdigit, phone))


def e164(phone):
    """The number of an export's cell; none where there is none."""
    return phonematch.read(phone, export=True).e164 if phone else None


def plain(folder):
    """What `synth` left in a folder, as Parquet: one list, named `list`, of one recipient."""
    world = World(folder)
    # Of Vatican City `synth` makes nobody.
    policies(folder, excluded="VA")
    for name, path in (
        ("accounts", world.accounts),
        ("list", world.long_list),
        ("opt_outs", world.opt_outs),
    ):
        with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        if name == "list":
            rows = [dict(row, list_id="list") for row in rows]
        write(path, rows, list(rows[0]))
    phonematch_command("keygen", world.secret)
    return world


def moved(world, folder, *, accounts):
    """The same world in another folder, with other accounts."""
    folder.mkdir()
    for path in world.folder.iterdir():
        if path.is_file():
            shutil.copy2(path, folder / path.name)
    today = replace(world, folder=folder)
    shutil.copyfile(accounts, today.accounts)
    return today
