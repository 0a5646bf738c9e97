"""WildDuck's database through MongoDB's change streams: each login and inbound message is counted once."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from bson import ObjectId

from collector.events.border.decoding import Border
from collector.events.privacy.pseudonyms import Pseudonyms
from collector.events.sources import authlog, wildduck_messages
from collector.events.sources.wildduck_changes import PIPELINE_STAGES
from collector.feeds.mongo import WildduckReader
from collector.store.backup.stream_position import FeedStore
from tests.integration.sources.following import FeedUnderTest, lead
from tests.servers.fixtures import need
from tests.servers.secantus import Secantus
from tests.unit.events.test_authlog import changes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.integration.house import House

pytestmark = pytest.mark.servers

HISTORY = 200
"""Number of changes that the server keeps, with up to a thousand more."""

_databases = count()


@pytest.fixture(scope="module")
def mongo(tmp_path_factory: pytest.TempPathFactory, server_logs: Path) -> Iterator[Secantus]:
    """Yield one server for all tests, which have a database each."""
    more = ["--oplog-max-entries", str(HISTORY)]
    server = need(lambda: Secantus(tmp_path_factory.mktemp("mongo"), server_logs, more=more))
    server.start()
    yield server
    server.stop()


class WildDuck(FeedUnderTest):
    """WildDuck's database, changed as WildDuck changes it, and its follower."""

    def __init__(self, mongo: Secantus, house: House, dsn: str) -> None:
        super().__init__(mongo, house, dsn)
        self.name = f"wildduck{next(_databases)}"
        self.database = self.client[self.name]

    def follow(self, **border: Any) -> None:
        """Start the follower."""
        self.follow_with(WildduckReader(self.name, Border("eu1", **border)))

    def replay(self, recorded: Sequence[Mapping[str, Any]]) -> None:
        """Make the recorded changes."""
        for change in recorded:
            collection, key = self.database[change["ns"]["coll"]], change["documentKey"]
            match change["operationType"]:
                case "insert":
                    collection.insert_one(change["fullDocument"])
                case "update":
                    said = change["updateDescription"]
                    fields, gone = said["updatedFields"], dict.fromkeys(said["removedFields"], "")
                    collection.update_one(key, {"$set": fields} | ({"$unset": gone} if gone else {}))
                case "delete":
                    collection.delete_one(key)

    def deliver(self, number: int, **fields: Any) -> dict[str, Any]:
        """Insert a message as LMTP delivers it."""
        key = ObjectId()
        meta = {"source": "MX", "from": "orders@shop.example", "to": ["alice@example.com"], "transtype": "LMTP"}
        document = {
            "_id": key, "root": key, "user": ObjectId(), "mailbox": ObjectId(), "idate": now(), "size": 524,
            "msgid": f"<{number}@shop.example>", "meta": meta, "mimeTree": {"body": "secret"},
        }  # fmt: skip
        document |= fields
        self.database["messages"].insert_one(document)
        return document

    def move(self, message: Mapping[str, Any], *, is_kept: bool = False) -> None:
        """Move a message into another mailbox, or copy it (`is_kept`)."""
        self.database["messages"].insert_one({**message, "_id": ObjectId(), "mailbox": ObjectId()})
        if not is_kept:
            self.database["messages"].delete_one({"_id": message["_id"]})

    def login(self, document: Mapping[str, Any]) -> None:
        """Insert a login, or count up an equal one, as WildDuck does."""
        once = {"$setOnInsert": {k: v for k, v in document.items() if k != "_id"}}
        later = {"$inc": {"events": 1}, "$set": {"last": now()}}
        self.database["authlog"].update_one({"_id": document["_id"]}, once | later, upsert=True)

    def stored(self) -> list[tuple[Any, ...]]:
        """Return the inbound mail in the table."""
        return self.rows("SELECT message_id, sender, recipient, category FROM mail_events ORDER BY 1, 3")

    def logins(self) -> Counter[tuple[str, str, str]]:
        """Return the logins in the table."""
        found = self.rows("SELECT user_id, protocol, result, sum(count)::int FROM auth_events GROUP BY 1, 2, 3")
        return Counter({(user, protocol, result): number for user, protocol, result, number in found})

    def counted(self) -> Counter[tuple[str, str, str]]:
        """Return the number of logins in WildDuck's database."""
        found: Counter[tuple[str, str, str]] = Counter()
        for one in self.database["authlog"].find({"action": "authentication"}):
            result = "failed" if one["result"] == "fail" else one["result"]
            found[str(one["user"]), one["protocol"].lower(), result] += one["events"]
        return found

    def state(self) -> object:
        """Return the content of both databases, to show if a wait fails."""
        return self.stored(), self.logins(), self.counted()


@pytest.fixture
def wildduck(mongo: Secantus, house: House, any_dsn: str) -> Iterator[WildDuck]:
    """Yield a database without a running follower."""
    made = WildDuck(mongo, house, any_dsn)
    yield made
    made.close()


def now() -> datetime:
    return datetime.now(UTC)


def recent(recorded: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return the same document with present times."""
    shift = now() - max(change["wallTime"] for change in recorded)
    return [shifted(change, shift) for change in recorded]


def shifted(value: Any, shift: timedelta) -> Any:
    match value:
        case dict():
            return {key: shifted(one, shift) for key, one in value.items()}
        case list():
            return [shifted(one, shift) for one in value]
        case datetime():
            return value + shift
        case _:
            return value


def login_of(user: ObjectId, *, made: datetime | None = None, result: str = "fail") -> dict[str, Any]:
    """Return a login document that begins with its first login."""
    return {
        "_id": ObjectId.from_datetime(made) if made else ObjectId(), "user": user, "action": "authentication",
        "protocol": "IMAP",
        "result": result, "ip": "198.51.100.7", "created": now(),
    }  # fmt: skip


def recorded_changes() -> list[Any]:
    """Return the recorded changes of both collections in order."""
    both = [*changes("authlog"), *changes("messages")]
    return recent(sorted(both, key=lambda change: change["clusterTime"]))


LABELS = {"mail_cluster": "eu1"}
FIELDS = {*wildduck_messages.FIELDS, *authlog.FIELDS}
META = {name.removeprefix("meta.") for name in wildduck_messages.FIELDS}
ALICE, BOB = "6b05172ebb7cd0c6d7213bf5", "6b05172ebb7cd0c6d7213bfe"


@pytest.mark.parametrize("cut", [5, 20, None], ids=["early", "late", "never"])
def test_recorded_changes_are_told_once(wildduck: WildDuck, cut: int | None) -> None:
    """Each recorded login and delivery is stored once, also counted-up logins, whenever the collector was away."""
    recorded = recorded_changes()
    wildduck.follow()
    wildduck.replay(recorded[:cut])
    if cut is not None:
        wildduck.stop()
        wildduck.replay(recorded[cut:])
        wildduck.follow()
    wildduck.until(lambda: len(wildduck.stored()) == 7 and wildduck.logins() == wildduck.counted())
    assert wildduck.logins() == {
        (ALICE, "imap", "failed"): 5, (ALICE, "imap", "success"): 3, (ALICE, "api", "success"): 1,
        (ALICE, "api", "failed"): 1,
        (ALICE, "pop3", "failed"): 1, (ALICE, "pop3", "success"): 1, (BOB, "imap", "suspended"): 1,
    }  # fmt: skip
    assert {row[1:] for row in wildduck.stored()} == {
        ("orders@shop.example", "alice@example.com", None),
        ("orders@shop.example", "alice@example.com", "junk"),
        ("orders@shop.example", "alice.alias@example.com", None),
        ("orders@shop.example", "bob@example.com", None),
    }
    counters = wildduck.metrics.registry
    assert (
        counters.get_sample_value("duckwatch_auth_events_total", LABELS | {"protocol": "imap", "result": "failed"}) == 5
    )
    stored = LABELS | {"zone": "none", "provider": "none", "action": "stored"}
    assert counters.get_sample_value("duckwatch_mail_events_total", stored) == 7
    assert wildduck.rows("SELECT count(*)::int FROM dead_letters") == [(0,)]


def test_a_change_that_the_database_refuses_is_set_aside_alone(wildduck: WildDuck) -> None:
    """The rows of a change that the database refuses become dead letters, and the others are stored."""
    refusal = "ALTER TABLE mail_events ADD CONSTRAINT not_three CHECK (message_id IS DISTINCT FROM '<3@shop.example>')"
    wildduck.house.connection.execute(refusal)
    wildduck.follow()
    for number in range(6):
        wildduck.deliver(number)
    wildduck.until(lambda: len(wildduck.stored()) == 5)
    assert wildduck.rows("SELECT reason, raw::jsonb ->> 'message_id' FROM dead_letters") == [
        ("bad_row", "<3@shop.example>")
    ]
    errors = LABELS | {"feed": "wildduck", "kind": "bad_row"}
    assert wildduck.metrics.registry.get_sample_value("duckwatch_changestream_errors_total", errors) == 1


def test_the_server_sends_no_contents(wildduck: WildDuck) -> None:
    """The server sends only the fields that the row needs, of a message and of an update."""
    with wildduck.database.watch(PIPELINE_STAGES) as stream:
        wildduck.replay(recorded_changes())
        wildduck.client.drop_database(wildduck.name)
        sent: list[Any] = []
        while not sent or sent[-1]["operationType"] != "invalidate":
            sent.append(stream.next())
    inserted = [change for change in sent if change["operationType"] == "insert"]
    assert len(inserted) == 27
    assert {key for change in inserted for key in change["fullDocument"]} <= {name.split(".")[0] for name in FIELDS}
    assert {key for change in inserted for key in change["fullDocument"].get("meta", {})} <= META
    updated = [change for change in sent if change["operationType"] == "update"]
    assert [set(change["updateDescription"]["updatedFields"]) for change in updated] == [{"events", "last"}] * 6
    assert {change["ns"]["coll"] for change in updated} == {"authlog"}


def test_logins_counted_before_anybody_followed_are_read(wildduck: WildDuck) -> None:
    """Logins counted before a follower ran are read from the document when it is counted up again."""
    old = login_of(ObjectId(), made=now() - timedelta(days=2))
    for _ in range(3):
        wildduck.login(old)
    wildduck.follow()
    assert wildduck.logins() == {}
    wildduck.login(old)
    wildduck.until(lambda: wildduck.logins() == wildduck.counted())
    wildduck.login(old)
    wildduck.until(lambda: wildduck.logins() == wildduck.counted())
    assert wildduck.rows("SELECT count FROM auth_events ORDER BY time") == [(4,), (1,)]


def test_a_history_that_is_gone_is_made_good_from_the_collections(wildduck: WildDuck) -> None:
    """If the server no longer knows the resume token, the missed rows are found in the collections, none twice."""
    wildduck.follow()
    known = login_of(ObjectId())
    wildduck.login(known)
    wildduck.deliver(1)
    wildduck.until(lambda: (len(wildduck.stored()), wildduck.logins().total()) == (1, 1))
    wildduck.stop()
    for document in (known, known, login_of(ObjectId(), result="success")):
        wildduck.login(document)
    wildduck.move(wildduck.deliver(2))
    wildduck.move(wildduck.deliver(3), is_kept=True)
    long_ago = ObjectId.from_datetime(now() - timedelta(days=2))
    wildduck.move(wildduck.deliver(4, _id=long_ago, root=long_ago))
    wildduck.database["messages"].insert_one({"meta": {"source": "API"}, "idate": now()})
    wildduck.client["other"]["changes"].insert_many([{} for _ in range(HISTORY + 1000)])
    wildduck.follow()
    lost = LABELS | {"feed": "wildduck", "kind": "history_lost"}
    assert wildduck.metrics.registry.get_sample_value("duckwatch_changestream_errors_total", lost) == 1
    assert [row[0] for row in wildduck.stored()] == [f"<{n}@shop.example>" for n in (1, 2, 3)]
    assert wildduck.logins() == wildduck.counted()
    assert wildduck.rows("SELECT count FROM auth_events WHERE result = 'failed' ORDER BY time") == [(1,), (2,)]
    wildduck.deliver(5)
    wildduck.until(lambda: len(wildduck.stored()) == 4)
    failed = LABELS | {"protocol": "imap", "result": "failed"}
    assert wildduck.metrics.registry.get_sample_value("duckwatch_auth_events_total", failed) == 3


def test_how_far_a_feed_was_followed_is_when_its_newest_change_was_made(wildduck: WildDuck) -> None:
    """A feed's position is the time of its newest change, not of its reading, and a broken comparison keeps it."""
    store = FeedStore(wildduck.dsn, "eu1", "wildduck")
    store.lead()
    store.commit_token("{}", 1_000)
    store.commit_token(None)
    assert store.followed_until == 1_000
    lead(store)
    assert store.followed_until == 1_000
    store.commit_token("{}")
    assert store.followed_until > 1_000
    store.close()


def test_a_database_that_is_dropped_is_followed_anew(wildduck: WildDuck) -> None:
    """After its database was dropped the stream ends, and a new one follows the new content. The loss is an increase:
    its counter is 0 before.
    """
    lost = LABELS | {"feed": "wildduck", "kind": "history_lost"}
    wildduck.follow()
    assert wildduck.metrics.registry.get_sample_value("duckwatch_changestream_errors_total", lost) == 0
    wildduck.deliver(1)
    wildduck.until(lambda: len(wildduck.stored()) == 1)
    wildduck.client.drop_database(wildduck.name)
    wildduck.deliver(2)
    wildduck.until(lambda: len(wildduck.stored()) == 2)
    follower = wildduck.follower
    wildduck.until(lambda: follower is not None and follower.trouble is None)
    assert wildduck.metrics.registry.get_sample_value("duckwatch_changestream_errors_total", lost) == 1


def test_people_are_the_same_pseudonyms_after_a_restart(wildduck: WildDuck) -> None:
    """People have the same pseudonyms after a restart, when counts come from the table's rows."""
    hidden = Pseudonyms(b"a secret of the tests")
    document = login_of(ObjectId())
    for _ in range(2):
        wildduck.follow(pseudonyms=hidden)
        wildduck.login(document)
        wildduck.until(lambda: wildduck.logins().total() == wildduck.counted().total())
        wildduck.stop()
    assert [user for user, _, _ in wildduck.logins()] == [hidden.of(str(document["user"]))]
    kept = wildduck.rows("SELECT row_to_json(a)::text FROM auth_events AS a")
    assert len(kept) == 2
    assert str(document["user"]) not in str(kept)
