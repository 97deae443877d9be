"""What can be asked of a run on an engine, and what stays on one machine."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from phonematch import _native

from .errors import Refused

#: What a run on one machine does beside and this one does not, unless the caller does without.
ADVERTISER_FIGURES = "advertiser_figures"


def rules_of(policy: str | os.PathLike[str], purpose: str) -> tuple[Any, str]:
    """The policy of a file, and its text.

    Raises Refused when it is none, is for another purpose, or for one that stays on one machine.
    """
    try:
        text = Path(policy).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"cannot read the policy {policy}: {type(error).__name__}") from None
    try:
        rules = _native.Rules(text)
    except _native.PolicyError as error:
        raise Refused(f"{policy} is no policy: {error}") from None
    if rules.purpose != purpose:
        raise Refused(f"the policy is for {rules.purpose}, and the run is for {purpose}")
    return rules, text


def check_scope(rules: Any, without: Iterable[str]) -> None:
    """Refuses what stays on one machine.

    Raises Refused; the message says what to use instead.
    """
    without = set(without)
    unknown = without - {ADVERTISER_FIGURES}
    if unknown:
        raise Refused(f"a run cannot do without {', '.join(sorted(unknown))}: nobody knows it")
    if rules.has_messages:
        raise Refused(
            "business_messaging stays on one machine: its waves, caps and history of messages are "
            "kept by `phonematch match`; use that"
        )
    if not rules.takes_lists:
        raise Refused(
            "analytics stays on one machine: its noised counts are made by `phonematch match`; "
            "use that"
        )
    if rules.has_advertiser and ADVERTISER_FIGURES not in without:
        raise Refused(
            "what advertisers are told stays on one machine: audiences.parquet, summary.json, the "
            "noise and the ledger are made by `phonematch match`. Use that, or say "
            f'without=("{ADVERTISER_FIGURES}",): lists then leave by their exact floors, and no '
            "advertiser is told a figure"
        )
    if ADVERTISER_FIGURES in without and not rules.has_advertiser:
        raise Refused(f"{rules.purpose} has no {ADVERTISER_FIGURES} to do without")


def check_names(names: list[str], country: str | None) -> None:
    """Refuses what is no name of a list or recipient, and what is no country.

    Raises Refused.
    """
    try:
        _native.Rules.check_names(names, country)
    except ValueError as error:
        raise Refused(f"a recipient, list_id or country: {error}") from None


def day_of(as_of: Any) -> str:
    """The run's day, `2026-11-22`: UTC's today where none is given."""
    if as_of is None:
        return datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    if isinstance(as_of, datetime.datetime):
        if as_of.tzinfo is None:
            raise Refused("as_of needs a time zone")
        return as_of.astimezone(datetime.timezone.utc).date().isoformat()
    try:
        return datetime.date.fromisoformat(str(as_of)).isoformat()
    except ValueError:
        raise Refused("as_of is a day, such as 2026-11-22") from None
