"""What Slack and a mail server get from a real Alertmanager with our configuration and templates."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from duckwatch.rules.__main__ import main
from tests.alert_rules.desk import (
    DASHBOARD,
    DEADMAN,
    RUNBOOK,
    SLACK,
    Desk,
    Links,
    links_of_slack,
    matchers,
    opened,
    part,
    read,
    refusal,
    stamp,
)
from tests.alert_rules.rules import RULES
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

HOSTILE = {
    "a channel": "<!channel> <@U123> <https://evil.example|click>",
    "markup": "</p><script>alert(1)</script><img src=x onerror=alert(1)>",
    "quotes": 'it\'s "quoted" `back` \\ \\\\ and \\" end\\',
    "ampersands": "a&b &amp; &lt; %20 %2B 1+1=2 #frag ?q",
    "templates": "{{ .ExternalURL }} {{ end }}",
    "newlines": "one\r\ntwo\nBcc: x@evil.example\n\n\tthree",
    "unicode": "пошта 邮件 🦆 é\u0301",
    "direction": "abc\u202egnp.exe\u2066 zero\u200bwidth",
    "control": "bell\x07 escape\x1b[31m vertical\x0b delete\x7f",
    "long": "x" * 2048,
    "long words": "wörter " * 300,
}


@pytest.fixture(scope="module")
def desk(server_logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Alertmanager with the example's routes, receivers and templates; its secrets are files, as in the example."""
    with opened(server_logs, tmp_path_factory.mktemp("desk"), RULES) as found:
        yield found


def test_slack_says_what_where_and_since_when(desk: Desk) -> None:
    """One alert: its summary as title and fallback, provider and time in the text, and three links."""
    desk.fire(refusal(mail_cluster="one"))
    message = desk.slack("of what one offers")
    assert message["title"] == message["fallback"] == "Critical: yahoo takes only 12.5% of what one offers"
    assert message["title_link"] == DASHBOARD
    assert message["color"] == "danger"
    first, description, links = message["text"].splitlines()
    assert first == "since 02:07 UTC, 1 Mar · provider yahoo · mail cluster one"
    assert description == "In the last 30 minutes only 12.5% of the attempts at yahoo ended in a delivery."
    assert links_of_slack(links) == {
        "Dashboard": DASHBOARD,
        "Runbook": RUNBOOK,
        "Silence": links_of_slack(links)["Silence"],
    }


def test_email_has_a_part_for_every_reader(desk: Desk) -> None:
    """One alert: the same in text and in HTML, from the configured sender to the team."""
    desk.fire(refusal(mail_cluster="two"))
    message = desk.email("of what two offers")
    assert message["Subject"] == "Critical: yahoo takes only 12.5% of what two offers"
    assert message["From"] == "alerts@mail.example"
    assert message["To"] == "mail-ops@mail.example"
    assert message.get_content_type() == "multipart/alternative"
    text = part(message, "plain")
    for wanted in (
        "since 02:07 UTC, 1 March 2026 · provider yahoo · mail cluster two",
        "In the last 30 minutes only 12.5% of the attempts at yahoo ended in a delivery.",
        f"Dashboard: {DASHBOARD}",
        f"Runbook: {RUNBOOK}",
        f"Silence: {desk.alertmanager.url}/#/silences/new?filter=",
    ):
        assert wanted in text
    page = Links(part(message, "html"))
    assert page.found["Dashboard"] == DASHBOARD
    assert page.found["Runbook"] == RUNBOOK
    assert f"Silence: {page.found['Silence']}" in text


def test_several_alerts_are_counted(desk: Desk) -> None:
    """A group: how many, of which name, where, and what all have; then each with its own link."""
    desk.fire(*(refusal(mail_cluster="three", zone=f"zone {number}", reason="reputation") for number in range(12)))
    message = desk.slack("in three")
    title = "Critical (12): DuckwatchProviderRefuses in three, yahoo, reputation"
    assert message["title"] == title
    assert message["fallback"] == f"{title}. First: yahoo takes only 12.5% of what three offers"
    text = message["text"]
    assert text.count("*yahoo takes only 12.5% of what three offers*") == 10
    assert "since 02:07 UTC, 1 Mar · provider yahoo · reason reputation · mail cluster three · zone zone 0\n" in text
    assert text.count("|Dashboard>") == 10
    assert "The first 10 are shown" in text
    assert text.count("In the last 30 minutes") == 3
    assert desk.email("in three")["Subject"] == title


def test_a_resolution_arrives(desk: Desk) -> None:
    """The end of an alert is sent to both, with its times."""
    ended = refusal(mail_cluster="four")
    desk.fire(ended)
    desk.slack("of what four offers")
    desk.email("of what four offers")
    desk.fire(ended | {"endsAt": stamp(datetime.now(UTC))})
    message = desk.slack("of what four offers", 2)
    assert message["title"] == message["fallback"] == "Resolved: yahoo takes only 12.5% of what four offers"
    assert message["color"] == "good"
    assert re.match(
        r"02:07, 1 Mar, to \d\d:\d\d UTC, \d+ \w{3} · provider yahoo · mail cluster four\n", message["text"]
    )
    mail = desk.email("of what four offers", 2)
    assert mail["Subject"] == message["title"]
    assert re.search(r"02:07, 1 March 2026, to \d\d:\d\d UTC, \d+ \w+ \d{4} · provider yahoo", part(mail, "html"))


def test_a_group_of_both_counts_both(desk: Desk) -> None:
    """One alert of a group ends and the other fires on: the message says so."""
    first, second = (refusal(mail_cluster="five", zone=zone) for zone in ("left", "right"))
    desk.fire(first, second)
    desk.slack("Critical (2): DuckwatchProviderRefuses in five, yahoo")
    desk.fire(first | {"endsAt": stamp(datetime.now(UTC))})
    message = desk.slack("Critical (1, 1 resolved): DuckwatchProviderRefuses in five, yahoo")
    assert message["color"] == "danger"
    assert message["text"].index("zone right") < message["text"].index(":white_check_mark:")


@pytest.mark.parametrize(("severity", "team"), [("warning", "mail"), ("info", "mail"), ("warning", "platform")])
def test_lesser_alerts_go_by_email_alone(desk: Desk, severity: str, team: str) -> None:
    """A warning is in the team's mailbox and not in Slack."""
    cluster = f"{severity}-{team}"
    desk.fire(refusal(mail_cluster=cluster, severity=severity, team=team))
    message = desk.email(cluster)
    assert message["Subject"].startswith(f"{severity.capitalize()}: ")
    assert message["To"] == f"{team}-ops@mail.example"
    assert not [content for content in desk.web.at(SLACK) if cluster in str(content)]


def test_the_platform_team_has_its_own_channel(desk: Desk) -> None:
    """A critical alert of the platform team is in its channel."""
    desk.fire(refusal(mail_cluster="six", team="platform"))
    desk.slack("of what six offers")
    assert [content["channel"] for content in desk.web.at(SLACK) if "six" in str(content)] == ["#platform-alerts"]


def test_the_watchdog_arrives_again_and_again(desk: Desk) -> None:
    """The dead man's switch hears the watchdog more than once, and nobody else hears it."""
    desk.fire({"labels": {"alertname": "DuckwatchWatchdog", "severity": "none", "team": "platform"}})
    wait_until(lambda: len(desk.web.at(DEADMAN)) >= 3, "three messages at the dead man's switch")
    assert {content["status"] for content in desk.web.at(DEADMAN)} == {"firing"}
    assert not [content for content in desk.web.at(SLACK) if "Watchdog" in str(content)]
    assert not [one for one in desk.mail.messages if "Watchdog" in one["Subject"]]


def test_a_dead_mans_switch_that_answers_with_an_error_ends_nothing(desk: Desk) -> None:
    """Alertmanager tries again, and gets through when the switch answers. Before 0.28 it panicked (its issue 3798)."""
    desk.web.failing.add(DEADMAN)
    before = len(desk.web.at(DEADMAN))
    desk.fire({"labels": {"alertname": "DuckwatchWatchdog", "severity": "none", "team": "platform"}})
    wait_until(lambda: len(desk.web.at(DEADMAN)) >= before + 2, desk.alertmanager.log_text)
    desk.web.failing.clear()
    failed = len(desk.web.at(DEADMAN))
    wait_until(lambda: len(desk.web.at(DEADMAN)) >= failed + 2, desk.alertmanager.log_text)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_values_stay_text(desk: Desk, name: str) -> None:
    """Whatever a label holds, it is a text of one line: no mention, no markup, no header, no link of its own."""
    mark = f"mark-{name.replace(' ', '-')}"
    value = HOSTILE[name]
    alert = refusal(mail_cluster=f"{mark} {value}", zone=value, provider=value)
    alert["annotations"] |= {"summary": f"{mark} {value}", "description": f"{mark} {value}"}
    desk.fire(alert)
    message = desk.slack(mark)
    for text in (message["title"], message["fallback"], message["text"]):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u200b\u202e\u2066]", text)
    assert set(links_of_slack(message["text"])) == {"Dashboard", "Runbook", "Silence"}
    assert "<" not in message["title"] + message["fallback"]
    assert "\n" not in message["title"] + message["fallback"]
    assert len(message["text"]) < 4000
    assert len(message["title"]) < 1024
    mail = desk.email(mark)
    assert set(mail.keys()) <= {"Subject", "From", "To", "Message-Id", "Date", "Content-Type", "MIME-Version"}
    assert len(mail["Subject"]) < 200
    page = Links(part(mail, "html"))
    assert set(page.found) == {"Dashboard", "Runbook", "Silence"}
    assert page.tags == {"html", "head", "meta", "title", "body", "h1", "p", "a"}
    assert page.attributes <= {"lang", "charset", "name", "content", "style", "href"}


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in {"control", "long", "long words"}])
def test_the_silence_link_silences_its_group(desk: Desk, name: str) -> None:
    """The link, read back, has the labels of the group and nothing else, and Alertmanager finds the alert by them."""
    mark = f"silence-{name.replace(' ', '-')}"
    labels = {"mail_cluster": f"{mark} {HOSTILE[name]}", "cluster": HOSTILE[name], "region": "west"}
    desk.fire(refusal(**labels, zone="bulk", replica="a"))
    in_slack = links_of_slack(desk.slack(mark)["text"])["Silence"]
    in_mail = Links(part(desk.email(mark), "html")).found["Silence"]
    assert in_slack == in_mail
    found = read(matchers(in_slack))
    assert found == {"alertname": "DuckwatchProviderRefuses", "severity": "critical"} | labels
    desk.fire(refusal(**labels | {"severity": "warning"}), refusal(**labels | {"region": "east"}))
    desk.alertmanager.silence(found)
    silenced = [one["labels"] for one in desk.alertmanager.alerts() if one["status"]["silencedBy"]]
    mine = [one for one in silenced if one["mail_cluster"] == labels["mail_cluster"]]
    assert [(one["severity"], one["region"], one["zone"]) for one in mine] == [("critical", "west", "bulk")]


@pytest.mark.parametrize("name", ["control", "long", "long words"])
def test_without_a_silence_link_the_alerts_are_linked(desk: Desk, name: str) -> None:
    """A value that the page cannot read, and a link that Slack would cut, give the list of alerts."""
    mark = f"list-{name.replace(' ', '-')}"
    desk.fire(refusal(mail_cluster=f"{mark} {HOSTILE[name]}"))
    assert links_of_slack(desk.slack(mark)["text"])["Silence"] == f"{desk.alertmanager.url}/#/alerts"
    assert Links(part(desk.email(mark), "html")).found["Silence"] == f"{desk.alertmanager.url}/#/alerts"


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("script", "javascript:alert(1)"),
        ("bar", "https://x.example/|<!channel>"),
        ("blank", "https://x.example/ <!here>"),
        ("long", "https://x.example/" + "y" * 2000),
    ],
)
def test_an_address_that_is_none_is_no_link(desk: Desk, name: str, address: str) -> None:
    """What is no address of the web is no link, nor in Slack what would break the link or be cut."""
    alert = refusal(mail_cluster=f"address-{name}")
    alert["annotations"]["dashboard_url"] = address
    desk.fire(alert)
    message = desk.slack(f"address-{name}")
    assert set(links_of_slack(message["text"])) == {"Runbook", "Silence"}
    assert message["title_link"].startswith(("https://x.example/", f"{desk.alertmanager.url}/#/alerts"))
    page = Links(part(desk.email(f"address-{name}"), "html"))
    assert all(one.startswith(("https://", desk.alertmanager.url)) for one in page.found.values())


def test_without_annotations_the_name_is_said(desk: Desk) -> None:
    """An alert of another program, without a word about itself, is readable too."""
    desk.fire({"labels": {"alertname": "AnotherAlert", "severity": "critical", "mail_cluster": "seven"}})
    message = desk.slack("seven")
    assert message["title"] == message["fallback"] == "Critical: AnotherAlert"
    assert message["title_link"] == f"{desk.alertmanager.url}/#/alerts"
    assert desk.email("seven")["Subject"] == "Critical: AnotherAlert"


def test_a_house_has_colours_for_its_own_severity_words(server_logs: Path, tmp_path: Path) -> None:
    """Copies with `--severity` route a critical alert to Slack and a warning to the mailbox, in the usual colours."""
    words = ("--severity", "critical=page", "--severity", "warning=ticket")
    assert main(["build", "--output", str(tmp_path / "rules"), *words]) == 0
    with opened(server_logs, tmp_path, tmp_path / "rules") as house:
        house.fire(refusal(mail_cluster="page", severity="page"), refusal(mail_cluster="ticket", severity="ticket"))
        assert house.slack("of what page offers")["color"] == "danger"
        assert "#b42318" in part(house.email("of what page offers"), "html")
        ticket = house.email("of what ticket offers")
        assert ticket["Subject"].startswith("Ticket: ")
        assert "#9a5b00" in part(ticket, "html")
