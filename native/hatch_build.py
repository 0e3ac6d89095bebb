"""Hatchling's hook: compile the media plane when a wheel or an editable install is made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class NativeBuildHook(BuildHookInterface[Any]):
    """Runs native/build.py with the interpreter that builds, and takes the library along if there is one."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects files. A compiler's complaint ends the build."""
        native = Path(self.root) / "native"
        if subprocess.run([sys.executable, str(native / "build.py")], check=False).returncode != 0:
            raise SystemExit("native: not built; CLUTCH_NATIVE=off installs clutch without it")
        if libraries := list(native.glob("_native*.so")):
            build_data["artifacts"] += [f"native/{library.name}" for library in libraries]
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
