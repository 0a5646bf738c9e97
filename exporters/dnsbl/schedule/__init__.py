"""When what is asked: budgets, breakers, and the planner that spreads checks over their interval. Pure:
time is an argument (seconds).
"""

from exporters.dnsbl.schedule.planner import Limits, Pair, Planner

__all__ = ["Limits", "Pair", "Planner"]
