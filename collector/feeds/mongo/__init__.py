"""MongoDB's change streams: a backup source for ZoneMTA's queue; the source for WildDuck's inbound mail and logins."""

from collector.feeds.mongo.follower import Follower, open_stream
from collector.feeds.mongo.queue import QueueReader
from collector.feeds.mongo.wildduck import WildduckReader, wildduck_readers

__all__ = ["Follower", "QueueReader", "WildduckReader", "open_stream", "wildduck_readers"]
