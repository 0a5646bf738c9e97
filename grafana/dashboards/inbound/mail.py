"""The mail that WildDuck stores, and the users' verdicts on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import coloured, column, value
from grafana.dashboards.inbound.charts import NOT_FOLLOWED, course
from grafana.fields import TOO_LITTLE, Card, Colour, Scale, Unit
from grafana.panels import Style, stat, table
from grafana.targets import Sql

if TYPE_CHECKING:
    from grafana.fields import Json


def inbound_now() -> Json:
    """Return the numbers of inbound mail."""
    return stat(
        Card(
            id=5,
            title="Inbound in the range",
            description=(
                "Messages that WildDuck stored by LMTP, their size, and what users marked as spam or as no spam. "
                "If stored falls to nothing, see WildDuck's LMTP in MTA itself."
            ),
            width=8,
            height=4,
            empty="no inbound mail",
        ),
        [Sql("inbound/totals", table=True)],
        Scale(Unit.COUNT),
        named=True,
        course=False,
        overrides=[
            value("stored", "Stored", unit=Unit.COUNT),
            value("bytes", "Size", unit=Unit.BYTES),
            value("marked_spam", "Spam", unit=Unit.COUNT),
            value("marked_ham", "No spam", unit=Unit.COUNT),
        ],
    )


def stored() -> Json:
    """Return the chart of stored mail."""
    return course(
        30,
        "Stored mail",
        "Messages per bin that came by LMTP. If it falls to nothing, inbound mail stops at WildDuck or before it.",
        [Sql("inbound/mail")],
        Unit.COUNT,
        width=6,
        style=Style.BARS,
    )


def verdicts() -> Json:
    """Return the chart of verdicts."""
    return course(
        31,
        "Marked by users",
        "Messages per bin. Many marked as spam: the filter lets a run through. "
        "Many marked as no spam: the filter takes good mail for spam, so lower its score.",
        [Sql("inbound/verdicts")],
        Unit.COUNT,
        width=6,
        style=Style.BARS,
        overrides=[
            coloured("marked_spam", Colour.BAD, "marked as spam"),
            coloured("marked_ham", Colour.GOOD, "marked as no spam"),
        ],
    )


def senders() -> Json:
    """Return the table of sending domains."""
    return table(
        Card(
            id=32,
            title="Sending domains, last hour",
            description=(
                "Of the last hour of the range, those on which users gave the most verdicts first. "
                "A domain whose mail users mark as spam and the filter does not needs a rule; "
                "one that they mark as no spam needs an exception."
            ),
            width=12,
            height=8,
            empty=NOT_FOLLOWED,
        ),
        [Sql("inbound/senders", table=True)],
        overrides=[
            column("domain", "Sending domain", None),
            column("stored", "Stored", 75, unit=Unit.COUNT),
            column("junk", "Junk", 70, unit=Unit.COUNT),
            column("junk_share", "Junk of stored", 150, unit=Unit.RATIO, empty=TOO_LITTLE),
            column("marked_spam", "Spam", 75, unit=Unit.COUNT),
            column("marked_ham", "No spam", 105, unit=Unit.COUNT),
        ],
    )
