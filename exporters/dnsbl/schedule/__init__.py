"""The schedule of checks: budgets, breakers, and the planner that spreads checks over their interval.

Pure: the time is an argument (seconds).
"""

from exporters.dnsbl.schedule.planner import Limits, Pair, Planner

__all__ = ["Limits", "Pair", "Planner"]
