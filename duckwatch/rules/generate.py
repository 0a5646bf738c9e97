"""Write the generated rule files: recording/limits.yml and alerts/thresholds.yml. `make generate` runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from duckwatch.rules.limits import OVERRIDING, limit_rules, limits_used
from duckwatch.rules.missing import missing_rule
from duckwatch.rules.pack import RULES, THRESHOLDS, dump, rule_files

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from duckwatch.rules.limits import Rule
    from duckwatch.rules.pack import Document

LIMITS: Final = "recording/limits.yml"
MISSING: Final = "alerts/thresholds.yml"

HEAD: Final = {
    LIMITS: "# The numbers of thresholds.yml, for each label value that alerts compare. Made by `make generate`.\n",
    MISSING: "# The alert about thresholds.yml. Made by `make generate`.\n",
}


def rendered(rules: Path = RULES) -> dict[str, str]:
    """Return the text of each generated file, by its path below `rules`.

    Raise ValueError if the rules compare with a name that thresholds.yml lacks, or never use one that it has.
    """
    files = rule_files(rules)
    used = limits_used(str(rule["expr"]) for rule in _written(files))
    names, known = {name for _, name in used}, set(threshold_names(files[THRESHOLDS]))
    _refuse(names - known, known - names)
    groups = {
        LIMITS: {"name": "duckwatch-limits", "interval": "1m", "rules": list(limit_rules(used))},
        MISSING: {
            "name": "duckwatch-thresholds-alerts",
            "interval": "1m",
            "rules": [missing_rule(used)],
        },
    }
    return {path: HEAD[path] + dump({"groups": [group]}) for path, group in groups.items()}


def check_names(rules: Path) -> None:
    """Raise ValueError if the rules of a house compare with a name that its thresholds.yml lacks, or if neither they
    nor the shipped ones compare with a name that it has. A house may leave out alerts whose lines stay.

    Also if a line has a label that no limit knows, or two lines have the same labels.
    """
    files = rule_files(rules)
    used = {name for _, name in limits_used(str(rule["expr"]) for rule in _written(files))}
    known, shipped = (set(threshold_names(found[THRESHOLDS])) for found in (files, rule_files()))
    _refuse(used - known, known - used - shipped)
    _check_labels([rule["labels"] for group in files[THRESHOLDS]["groups"] for rule in group["rules"]])


def _check_labels(lines: Iterable[Mapping[str, str]]) -> None:
    seen: list[Mapping[str, str]] = []
    for labels in ({name: value for name, value in line.items() if value} for line in lines):
        if unknown := sorted(labels.keys() - {"name", *OVERRIDING}):
            raise ValueError(f"thresholds.yml has a line with the label {unknown[0]}, which no limit knows: {labels}")
        if labels in seen:
            raise ValueError(f"thresholds.yml has two lines with the same labels: {labels}")
        seen.append(labels)


def _refuse(missing: Collection[str], unused: Collection[str]) -> None:
    told = [(missing, "thresholds.yml lacks"), (unused, "no rule compares with")]
    if missing or unused:
        raise ValueError("; ".join(f"{text} {sorted(names)}" for names, text in told if names))


def threshold_names(thresholds: Document) -> list[str]:
    """Return the names in thresholds.yml, in the order of its lines."""
    return list(dict.fromkeys(rule["labels"]["name"] for group in thresholds["groups"] for rule in group["rules"]))


def _written(files: Mapping[str, Document]) -> Iterator[Rule]:
    """Yield each rule that a person wrote."""
    for path, document in files.items():
        if path not in HEAD and path != THRESHOLDS:
            for group in document["groups"]:
                yield from group["rules"]


def main() -> None:
    for path, text in rendered().items():
        (RULES / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
