"""`doctor`'s findings about cluster names and GELF senders."""

from __future__ import annotations

import pytest

from collector.config import CollectorSettings
from collector.operations.doctor.backup_sources import ClusterNames, compare_cluster_names, gelf, names_of
from collector.operations.doctor.installation import Installation

TOKEN, SECRET = "t" * 20, "whsec_" + "c2VjcmV0" * 4
MONGO = "mongodb://mongo.internal/?replicaSet=rs0"


@pytest.mark.parametrize(
    ("credentials", "leaves_it", "plugins", "statuses"),
    [
        ({"eu1", "us1"}, False, set(), ["ok"]),
        ({"eu1", "us1", "third"}, False, set(), ["ok"]),  # no backup source there, and none is required
        (set(), True, {"eu1", "us1"}, ["ok"]),
        ({"eu1"}, False, set(), ["warning"]),
        ({"eu1"}, True, {"eu1"}, ["warning"]),
        ({"eu1"}, True, set(), ["skipped"]),
        (set(), True, set(), ["skipped", "skipped"]),
        ({"eu1", "us"}, False, set(), ["fault"]),
        ({"eu1"}, True, {"US1"}, ["fault"]),
        ({"one", "two"}, False, set(), ["fault", "fault"]),
    ],
)  # fmt: skip
def test_each_feed_needs_a_sender_of_its_name(
    credentials: set[str], leaves_it: bool, plugins: set[str], statuses: list[str]
) -> None:
    """A feed and a sender without each other's name are a fault: probably the same mail under two names."""
    feeds = {"collector.mongo[0]": "eu1", "collector.gelf": "us1"}
    assert [
        one.status for one in compare_cluster_names(ClusterNames(feeds, credentials, leaves_it, plugins))
    ] == statuses


def test_a_sender_without_a_word_is_the_default_cluster() -> None:
    """A sender without a cluster is in the default cluster, unless every credential decides the cluster."""
    feeds = {"collector.mongo[0]": "default"}
    assert [one.status for one in compare_cluster_names(ClusterNames(feeds, set(), True))] == ["ok"]
    [found] = compare_cluster_names(ClusterNames(feeds, {"eu1"}, False))
    assert (found.status, "default" in found.what, "eu1" in found.what) == ("fault", True, True)


def test_names_come_from_tokens_secrets_and_feeds() -> None:
    """Cluster names come from tokens, secrets and feeds; without them the sender names its cluster."""
    mongo = [{"cluster": "a", "uri": MONGO}, {"cluster": "b", "uri": MONGO}]
    bound = {"tokens": [{"token": TOKEN, "cluster": "a"}], "hmac_secrets": [{"secret": SECRET, "cluster": "b"}]}
    settings = CollectorSettings.model_validate(
        {"auth": bound, "mongo": mongo, "gelf": {"udp": "127.0.0.1:0", "cluster": "c"}}
    )
    feeds = {"collector.mongo[0]": "a", "collector.mongo[1]": "b", "collector.gelf": "c"}
    assert names_of(settings) == ClusterNames(feeds, {"a", "b"}, False)
    assert names_of(CollectorSettings()) == ClusterNames({}, set(), True)
    assert names_of(CollectorSettings.model_validate({"auth": {"hmac_secrets": [SECRET]}})) == ClusterNames(
        {}, set(), True
    )


@pytest.mark.parametrize(
    ("gelf_settings", "statuses"),
    [
        ({"udp": "127.0.0.1:12201"}, ["ok"]),
        ({"udp": "0.0.0.0:12201", "allow": ["10.0.0.0/8"]}, ["ok"]),
        ({"udp": "[::]:12201", "allow": ["2001:db8:5::/48"]}, ["ok"]),
        ({"tcp": "mail.internal:12201", "allow": ["fd00::/8"]}, ["ok"]),
        ({"tcp": "localhost:12201", "allow": ["::1"]}, ["ok"]),
        ({"udp": "0.0.0.0:12201", "tcp": "[::]:12201", "allow": ["10.0.0.5", "fd00::5"]}, ["ok"]),
        ({"udp": "0.0.0.0:12201", "allow": ["0.0.0.0/0"]}, ["fault"]),
        ({"udp": "[::]:12201", "allow": ["::/0"]}, ["fault"]),
        ({"udp": "0.0.0.0:12201", "allow": ["64.0.0.0/6"]}, ["warning"]),
        ({"udp": "[::]:12201", "allow": ["2000::/3"]}, ["warning"]),
        ({"udp": "0.0.0.0:12201", "allow": ["fd00::/8"]}, ["fault"]),
        ({"udp": "[::]:12201", "allow": ["10.0.0.0/8"]}, ["ok"]),
        ({"udp": "[2001:db8::5]:12201", "allow": ["10.0.0.0/8"]}, ["fault"]),
        ({"udp": "0.0.0.0:12201", "tcp": "[2001:db8::5]:12201", "allow": ["10.0.0.0/8"]}, ["fault"]),
        ({"udp": ["10.0.0.5:12201", "[2001:db8::5]:12201"], "allow": ["10.0.0.0/8"]}, ["ok"]),
        ({"udp": ["10.0.0.5:12201", "127.0.0.1:12201"], "allow": ["10.0.0.0/8"]}, ["ok"]),
        ({"udp": ["127.0.0.1:12201", "[::1]:12201"], "allow": ["10.0.0.0/8", "fd00::/8"]}, ["fault"]),
        ({"udp": "127.0.0.1:12201", "allow": ["10.0.0.0/8"]}, ["fault"]),
        ({"udp": "0.0.0.0:12201", "allow": ["127.0.0.0/8"]}, ["warning"]),
    ],
)
def test_who_may_send_gelf_can_and_is_not_everyone(gelf_settings: dict[str, object], statuses: list[str]) -> None:
    """Networks that admit everyone, half of all addresses, or none that can reach the listener are reported."""
    patient = Installation(CollectorSettings.model_validate({"gelf": gelf_settings}), None)
    found = list(gelf(patient))
    assert [one.status for one in found] == statuses
    assert all(bool(one.remedy) is (one.status in {"fault", "warning"}) for one in found)
