"""The examination of an installation: each check asks one server and returns findings.

`CHECKS` is the table: a further check is a function and a line in it.
"""

from collector.operations.doctor.examination import CHECKS, examine

__all__ = ["CHECKS", "examine"]
