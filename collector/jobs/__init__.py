"""Scheduled work, done by one collector of a database."""

from collector.jobs.complaints import Complaints
from collector.jobs.housekeeping import Housekeeping
from collector.jobs.new_patterns import NewPatterns
from collector.jobs.open_transactions import OpenTransactions
from collector.jobs.policies import Policies
from collector.jobs.queue_state import QueueState
from collector.jobs.reader_queries import ReaderQueries
from collector.jobs.reconcile import Reconcile
from collector.jobs.retention import RetentionJob
from collector.jobs.roll_up import RollUp
from collector.jobs.scheduler import Jobs
from collector.jobs.sizes import Sizes
from collector.jobs.suspects import Suspects

__all__ = [
    "Complaints",
    "Housekeeping",
    "Jobs",
    "NewPatterns",
    "OpenTransactions",
    "Policies",
    "QueueState",
    "ReaderQueries",
    "Reconcile",
    "RetentionJob",
    "RollUp",
    "Sizes",
    "Suspects",
]
