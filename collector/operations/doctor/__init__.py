"""The examination of an installation: each check asks one server and returns findings.

`CHECKS` is the table of checks. A new check is a function and a line in that table.
"""

from collector.operations.doctor.examination import CHECKS, examine

__all__ = ["CHECKS", "examine"]
