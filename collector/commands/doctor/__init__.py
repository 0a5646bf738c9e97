"""`doctor`: asks every server and says what to do about each fault. `CHECKS` is the table: a further check is a function and a line in it."""

from collector.commands.doctor.examination import CHECKS, run

__all__ = ["CHECKS", "run"]
