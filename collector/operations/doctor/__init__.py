"""The examination of an installation: each check asks one server and returns findings.

`CHECKS` is the table of checks. CONTRIBUTING.md says how to add one.
"""

from collector.operations.doctor.examination import CHECKS, examine

__all__ = ["CHECKS", "examine"]
