"""A fresh clone where commands are pasted. `.venv` is that of this test run, so that nothing is downloaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.docs.machine import copy_clone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.docs.blocks import Block


class Clone(NamedTuple):
    """A clone in a folder."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Clone:
        """Copy the tree as it is into a folder, and commit it there."""
        copy_clone(folder)
        for name in ("requirements.lock", "pyproject.toml"):
            os.utime(folder / name, (0, 0))  # older than the stamp of `make setup`, so that it does not install again
        assert Path(sys.prefix, ".installed").exists(), "this environment was not made by `make setup`"
        (folder / ".venv").symlink_to(sys.prefix)
        who = ("-c", "user.name=t", "-c", "user.email=t@t.example", "-c", "commit.gpgsign=false")
        for words in (("init", "-q"), ("add", "-A"), (*who, "commit", "-q", "-m", "all")):
            subprocess.run(["git", *words], cwd=folder, check=True, timeout=60)
        return cls(folder)

    def paste(
        self, block: Block, *, code: int = 0, tmp: Path | None = None, variables: Mapping[str, str] | None = None
    ) -> str:
        """Paste a block with these variables, and files of /tmp in the folder `tmp`. Return what it prints.

        Raise AssertionError if the shell, which ends at the first command that fails, ends with another code.
        """
        text = block.text if tmp is None else block.text.replace("/tmp/", f"{tmp}/")
        path = os.pathsep.join(map(str, (Path(sys.prefix, "bin"), os.environ["PATH"])))
        env = {"PATH": path, "HOME": str(self.folder), "LANG": "C.UTF-8"} | dict(variables or {})
        ended = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", text],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert ended.returncode == code, f"{block.name}\n{ended.stdout}{ended.stderr}"
        return ended.stdout + ended.stderr
