"""Reads a Dockerfile, and runs its steps in boxes. It knows the instructions that the project's Dockerfiles use."""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.deploy.box import OF_PIP, ROOT, Box

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.deploy.box import Machine

_VARIABLE: Final = re.compile(r"\$\{?(\w+)\}?")


@dataclass(slots=True)
class Stage:
    """A stage: its name, the image or stage that it begins with, and its instructions."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def texts(self, word: str) -> list[str]:
        """Return what stands behind each instruction of this word."""
        return [text for found, text in self.steps if found == word]


@dataclass(slots=True)
class Image:
    """What a built stage runs with."""

    box: Box
    user: str = "0:0"
    folder: str = "/"
    env: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    entrypoint: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)


def read(file: Path) -> dict[str, Stage]:
    """Return the stages of a Dockerfile by name, in their order."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    stages: dict[str, Stage] = {}
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        word, _, text = line.partition(" ")
        if word == "FROM":
            base, _, name = text.partition(" AS ")
            stages[name] = stage = Stage(name, base)
        else:
            stage.steps.append((word, " ".join(text.split())))
    return stages


class Builder:
    """Builds stages in a machine. An image of Docker Hub is the Debian 13 tree, with a Python that has pip."""

    def __init__(self, machine: Machine, file: Path) -> None:
        self._machine, self._stages = machine, read(file)
        self._built: dict[str, Image] = {}
        self._steps: dict[str, Callable[[Image, str], None]] = {
            "RUN": self._do_run,
            "COPY": self._do_copy,
            "WORKDIR": self._do_workdir,
            "ENV": lambda image, text: image.env.update(_pairs(text, image.env)),
            "ARG": lambda image, text: image.env.update(_pairs(text, image.env)),
            "LABEL": lambda image, text: image.labels.update(_pairs(text, image.env)),
            "USER": lambda image, text: setattr(image, "user", text),
            "ENTRYPOINT": lambda image, text: setattr(image, "entrypoint", json.loads(text)),
            "HEALTHCHECK": lambda image, text: setattr(image, "health", json.loads(text.partition(" CMD ")[2])),
            # Only a container engine acts on these.
            **dict.fromkeys(("CMD", "EXPOSE", "VOLUME", "STOPSIGNAL"), lambda image, text: None),
        }

    def build(self, name: str) -> Image:
        """Return the image of a stage, built once."""
        if name not in self._built:
            self._built[name] = self._run(self._stages[name])
        return self._built[name]

    def _begin(self, stage: Stage) -> Image:
        if stage.base in self._stages:
            base = self.build(stage.base)
            lowers = [base.box.upper, *base.box.lowers[:-1]]
            image = Image(
                Box(self._machine, stage.name, lowers), base.user, base.folder, dict(base.env), dict(base.labels)
            )
        else:
            image = Image(Box(self._machine, stage.name))
            # The official image has its Python and pip in /usr/local.
            made = image.box.run("python3", "-m", "venv", "/usr/local")
            assert made.returncode == 0, made.stderr
        image.box.carry_network()
        return image

    def _run(self, stage: Stage) -> Image:
        image = self._begin(stage)
        for word, text in stage.steps:
            self._steps[word](image, text)
        return image

    def _do_run(self, image: Image, text: str) -> None:
        found = {name: value for name, value in os.environ.items() if name.startswith(OF_PIP)}
        done = image.box.run("sh", "-ec", text, user=image.user, env=found | image.env, folder=image.folder)
        assert done.returncode == 0, f"RUN {text}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"

    def _do_copy(self, image: Image, text: str) -> None:
        words = text.split()
        begin = ROOT
        if words[0].startswith("--from="):
            begin = self.build(words.pop(0).removeprefix("--from=")).box.root
        *sources, target = words
        place = image.box.inside(os.path.normpath(os.path.join(image.folder, target)))  # noqa: PTH118 - a path in the box
        self._machine.run("mkdir", "-p", place if target.endswith("/") else place.parent)
        for source in sources:
            self._machine.run("cp", "--archive", "--no-target-directory" if not target.endswith("/") else "--force",
                              begin / source.lstrip("/"), place)  # fmt: skip

    def _do_workdir(self, image: Image, text: str) -> None:
        self._machine.run("mkdir", "-p", image.box.inside(text))
        image.folder = text


def _pairs(text: str, env: Mapping[str, str]) -> dict[str, str]:
    """Return `A=1 B="2 3"` as a dict; a variable is replaced."""
    pairs = (word.partition("=") for word in shlex.split(text))
    return {name: _VARIABLE.sub(lambda found: env.get(found[1], ""), value) for name, _, value in pairs}
