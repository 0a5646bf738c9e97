"""MongoDB's change streams: the backup road of ZoneMTA's queue, and what WildDuck keeps of inbound mail and logins."""

from collector.feeds.mongo.follower import Follower
from collector.feeds.mongo.queue import QueueReader

__all__ = ["Follower", "QueueReader"]
