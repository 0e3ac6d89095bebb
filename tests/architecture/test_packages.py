"""The script that sees to Debian packages, on machines made of stubs."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import attrs
import pytest

from tests.architecture.tree import ROOT

SCRIPT = ROOT / ".ci/packages"
LISTS = [ROOT / "native/debian-packages.txt", ROOT / "tests/debian-packages.txt"]


@attrs.frozen
class Machine:
    """A PATH with nothing in it but what a test puts there."""

    folder: Path

    def add(self, name: str, script: str) -> None:
        """A program; what it is called with is kept in ``log``."""
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.folder}/log"\n{script}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def run(self, *packages: str) -> subprocess.CompletedProcess[str]:
        """Run the script with a list of these packages."""
        wanted = self.folder / "list.txt"
        wanted.write_text("# a comment\n" + "".join(f"{name}  # why\n" for name in packages))
        return subprocess.run(
            [SCRIPT, wanted], env={"PATH": str(self.folder)}, capture_output=True, text=True, check=False
        )

    def calls(self, name: str) -> list[str]:
        """The arguments of every run of a program."""
        log = self.folder / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]


@pytest.fixture
def debian(tmp_path: Path) -> Machine:
    """A Debian with gcc and make installed, nothing else, and a user who may not install."""
    for tool in ("sh", "sed", "mktemp", "cat", "rm", "env", "true", "touch"):
        os.symlink(shutil.which(tool) or tool, tmp_path / tool)
    machine = Machine(tmp_path)
    machine.add(
        "dpkg-query", 'case "$4" in gcc|make) echo installed;; old) echo config-files;; *) exit 1;; esac'
    )
    machine.add("id", "echo 1000")
    machine.add("apt-get", "exit 0")
    return machine


def test_all_there_is_one_line_and_no_network(debian: Machine) -> None:
    done = debian.run("gcc", "make")
    assert (done.returncode, done.stdout, done.stderr) == (0, "packages: all installed\n", "")
    assert debian.calls("apt-get") == []


def test_what_is_missing_is_named_to_who_cannot_install(debian: Machine) -> None:
    done = debian.run("gcc", "old", "flite")
    assert done.returncode == 1
    assert "packages: missing: old flite\n" in done.stderr
    assert "apt-get install old flite" in done.stderr
    assert debian.calls("apt-get") == []


def test_sudo_that_would_ask_is_not_used(debian: Machine) -> None:
    debian.add("sudo", "exit 1")
    assert debian.run("flite").returncode == 1
    assert debian.calls("sudo") == ["-n true"]


def test_root_installs_only_what_is_missing(debian: Machine) -> None:
    debian.add("id", "echo 0")
    done = debian.run("gcc", "flite", "sox")
    assert (done.returncode, done.stdout) == (0, "packages: installing flite sox\n")
    (call,) = debian.calls("apt-get")
    assert call.endswith("install -y --no-install-recommends flite sox")


def test_sudo_without_a_password_installs(debian: Machine) -> None:
    debian.add("sudo", 'shift; exec "$@"')
    assert debian.run("flite").returncode == 0
    assert len(debian.calls("apt-get")) == 1


def test_the_index_is_fetched_when_the_old_one_does_not_do(debian: Machine) -> None:
    debian.add("id", "echo 0")
    debian.add(
        "apt-get",
        f'case "$*" in *update) touch "{debian.folder}/new";; *) [ -e "{debian.folder}/new" ];; esac',
    )
    assert debian.run("flite").returncode == 0
    assert ["update" in call for call in debian.calls("apt-get")] == [False, True, False]


def test_a_failed_installation_shows_why(debian: Machine) -> None:
    debian.add("id", "echo 0")
    debian.add("apt-get", "echo no space left; exit 100")
    done = debian.run("flite")
    assert done.returncode == 1
    assert "no space left" in done.stderr
    assert "could not install: flite" in done.stderr


def test_elsewhere_it_says_what_is_needed_and_goes_on(debian: Machine) -> None:
    (debian.folder / "dpkg-query").unlink()
    done = debian.run("gcc", "flite")
    assert done.returncode == 0
    assert done.stdout == "packages: this is not Debian, so nothing was checked; needed are: gcc flite\n"


def test_the_lists_hold_no_package_twice() -> None:
    names = [line.split("#")[0].strip() for path in LISTS for line in path.read_text().splitlines()]
    named = [name for name in names if name]
    assert len(named) == len(set(named))
    assert "python3-venv" in named
