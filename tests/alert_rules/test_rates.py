"""The recording rules of mail against an independent count: made-up mail, added up by promtool and in Python."""

from __future__ import annotations

import random
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from collector.events.model.event import BounceKind, Reason
from collector.events.replies.provider_codes import SIGNALS
from tests.alert_rules.rules import RULES, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

FILES = ("thresholds.yml", "recording/mail-rates.yml", "recording/limits.yml", "recording/mail-windows.yml")
REFUSED = {"reputation", "policy", "authentication", "content"}
BLOCKED = REFUSED | {"rate_limited", "greylisted"}
CLASSES = ("hard", "expired", "block", "other", "soft")
PAIRS = [("eu1", "bulk", "google"), ("eu1", "bulk", "yahoo"), ("eu1", "news", "google"), ("us1", "bulk", "google")]
PAIR = ("mail_cluster", "zone", "provider")
Row = dict[str, Any]
Sums = dict[tuple[str, ...], float]


def mail(seed: int) -> list[Row]:
    """Rows of recipients a minute (`count`) with what became of them, as one of two collectors counts them."""
    chance = random.Random(seed)
    outcomes: list[tuple[str | None, ...]] = [("deferred", reason, None) for reason in (None, *Reason)]
    outcomes += [("bounced", reason, kind) for reason in (None, *Reason) for kind in (None, *BounceKind)]
    made: list[tuple[str | None, ...]] = [(*pair, "delivered", None, None) for pair in PAIRS]
    for pair in PAIRS:
        made += [(*pair, *outcome) for outcome in chance.sample(outcomes, 40)]
    return [
        dict(zip((*PAIR, "outcome", "reason", "kind"), (value or "none" for value in row), strict=True))
        | {"attempt": attempt, "instance": chance.choice("ab"), "count": chance.randrange(1, 50)}
        for row in made
        for attempt in ("first", "later")
    ]


def selector(labels: Iterable[tuple[str, str]]) -> str:
    return "{" + ", ".join(f'{label}="{value}"' for label, value in labels) + "}"


def counters(rows: list[Row]) -> Iterator[Row]:
    """The counters that collectors show of the rows, a sample each minute."""
    sums: Counter[str] = Counter()
    for row in rows:
        shown = {
            "duckwatch_mail_attempts_total": (*PAIR, "instance", "attempt", "outcome"),
            "duckwatch_mail_outcomes_total": (*PAIR, "instance", "class"),
        }
        labelled = row | {"class": outcome(row)}
        for metric, labels in shown.items():
            sums[metric + selector((label, labelled[label]) for label in labels)] += row["count"]
    for series, count in sums.items():
        yield {"series": series, "values": f"0+{count}x45"}
    yield {"series": "duckwatch_build_info", "values": "1x45"}


def outcome_class(row: Row) -> str | None:
    """The class of a bounce, by the words of docs/events.md."""
    if row["outcome"] != "bounced":
        return None
    if row["kind"] in {"hard", "expired"}:
        return str(row["kind"])
    return "block" if row["reason"] in BLOCKED else "other" if row["reason"] == "other" else "soft"


def outcome(row: Row) -> str:
    """The class of any outcome."""
    deferred = "deferred_block" if row["reason"] in REFUSED else "deferred"
    return outcome_class(row) or ("delivered" if delivered(row) else deferred)


def refuses_us(row: Row) -> bool:
    return outcome_class(row) == "block" or (row["outcome"] == "deferred" and row["reason"] in REFUSED)


def delivered(row: Row) -> bool:
    return bool(row["outcome"] == "delivered")


def finished(row: Row) -> bool:
    return bool(row["outcome"] != "deferred")


def offered(row: Row) -> bool:
    return outcome_class(row) != "hard"


def first(row: Row) -> bool:
    return bool(row["attempt"] == "first")


def added(rows: list[Row], labels: tuple[str, ...], counts: Callable[[Row], bool] = lambda _: True) -> Sums:
    """Recipients a minute by labels, of the rows that count."""
    sums: Sums = dict.fromkeys((tuple(row[label] for label in labels) for row in rows), 0.0)
    for row in filter(counts, rows):
        sums[tuple(row[label] for label in labels)] += row["count"]
    return sums


def share(rows: list[Row], labels: tuple[str, ...], some: Callable[[Row], bool], of: Callable[[Row], bool]) -> Sums:
    whole, part = added(rows, labels, of), added(rows, labels, lambda row: of(row) and some(row))
    return {key: part[key] / whole[key] for key in whole}


def check(name: str, labels: tuple[str, ...], values: Sums) -> Row:
    """A check of promtool's: these are all the series of that name."""
    return {
        "expr": f"round({name}, 0.0001)",
        "eval_time": "44m",
        "exp_samples": [
            {
                "labels": selector(zip(labels, key, strict=True)),
                "value": round(value, 4),
            }
            for key, value in values.items()
        ],
    }


def checks(rows: list[Row]) -> Iterator[Row]:
    """What the rules must say of the rows. Rates are of a second, sums of a minute."""
    zone, provider = PAIR[:2], ("mail_cluster", "provider")
    for name, labels, counts in (
        ("mail_cluster_zone_provider:duckwatch_mail_attempts:rate30m", PAIR, None),
        ("mail_cluster_zone:duckwatch_mail_deliveries:rate30m", zone, delivered),
        ("mail_cluster_zone:duckwatch_mail_finished:rate30m", zone, finished),
        ("mail_cluster_provider:duckwatch_mail_offers:rate30m", provider, offered),
    ):
        yield check(f"60 * {name}", labels, added(rows, labels, *filter(None, [counts])))
    zones = {pair[:2] for pair in PAIRS}
    classes: Sums = dict.fromkeys(((*place, name) for place in zones for name in CLASSES), 0.0)
    for row in rows:
        if (its_class := outcome_class(row)) is not None:
            classes[*(row[label] for label in zone), its_class] += row["count"]
    yield check("60 * mail_cluster_zone_class:duckwatch_mail_bounces:rate30m", (*zone, "class"), classes)
    for name, labels, some, of in (
        ("mail_cluster_zone:duckwatch_mail_bounce_ratio:rate30m", zone, lambda row: not delivered(row), finished),
        ("mail_cluster_zone:duckwatch_mail_deferral_ratio:rate30m", zone, lambda row: not finished(row), bool),
        ("mail_cluster_zone_provider:duckwatch_mail_block_ratio:rate30m", PAIR, refuses_us, bool),
        ("mail_cluster_provider:duckwatch_mail_accepted_ratio:rate30m", provider, delivered, offered),
        ("mail_cluster_provider:duckwatch_mail_accepted_ratio:rate5m", provider, delivered, offered),
        ("mail_cluster_provider:duckwatch_mail_first_attempts_delivered_ratio:rate1h", provider, delivered, first),
    ):
        yield check(name, labels, share(rows, labels, some, of))


@pytest.mark.servers
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_rules_add_up_as_an_independent_count_does(promtool: Path, tmp_path: Path, seed: int) -> None:
    """Rates and shares of two collectors' counters are those of the mail, each bounce in its class."""
    rows = mail(seed)
    groups = [group["name"] for name in FILES for group in yaml.safe_load((RULES / name).read_text())["groups"]]
    case = {
        "rule_files": [str(RULES / name) for name in FILES],
        "group_eval_order": groups,
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": [*counters(rows)], "promql_expr_test": [*checks(rows)]}],
    }
    written = tmp_path / "rates.test.yml"
    written.write_text(yaml.safe_dump(case))
    done = run(promtool, "test", "rules", written)
    assert done.returncode == 0, done.stdout + done.stderr


def test_codes_about_one_recipient_or_message_are_left_out() -> None:
    """DuckwatchProviderCode leaves out each code whose meaning names the recipient or a size, and none that refuses a
    sender. They are written as the metric has them.
    """
    groups = yaml.safe_load((RULES / "recording/mail-rates.yml").read_text())["groups"]
    (rule,) = (rule for group in groups for rule in group["rules"] if "code!" in rule["expr"])
    left_out = {code for codes in re.findall(r'code![=~]"([^"]+)"', rule["expr"]) for code in codes.split("|")}
    reasons = {signal.code: signal.reason for signal in SIGNALS}
    assert left_out <= set(reasons)
    assert not {reasons[code] for code in left_out} & {Reason.REPUTATION, Reason.AUTHENTICATION, Reason.CONTENT}
    about_one = {Reason.UNKNOWN_USER, Reason.MAILBOX_FULL, Reason.SIZE}
    assert {one.code for one in SIGNALS if one.reason in about_one or "the recipient" in one.meaning} <= left_out
