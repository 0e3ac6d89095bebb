"""Builds and runs the C tests, each with the sources of the media plane under a sanitizer."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import native
from native import build
from tests.native import cable as cables
from tests.native.cable import PORTS, Cable, End, OpenPlane

SANITIZERS = {
    "address": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    "thread": ["-fsanitize=thread"],
    "none": [],
}
# gcc warns that the thread sanitizer does not know fences; none of ours orders plain memory.
LENIENT = [flag for flag in build.STRICT if flag != "-Werror"]
PROGRAMS = Path(__file__).parent / "c"
SKIPPED = 77
"""The status of a program that says why it cannot run here."""

RunProgram = Callable[..., None]


@pytest.fixture(scope="session")
def run_program(tmp_path_factory: pytest.TempPathFactory) -> RunProgram:
    """Compile and run a C test: run_program(name, sanitizer, linker_flags=(), arguments=()).

    Fails with what it printed, or skips with it.
    """
    built: dict[str, list[str]] = {}
    extras = build.find_extras(tmp_path_factory.mktemp("extras"))

    def objects(sanitizer: str) -> list[str]:
        """The media plane compiled once for each sanitizer."""
        if sanitizer not in built:
            flags = [*LENIENT, "-O1", "-g", *SANITIZERS[sanitizer], *extras.compile_flags]
            built[sanitizer] = build.compile_sources(flags, tmp_path_factory.mktemp(sanitizer))
        return built[sanitizer]

    def run(
        name: str, sanitizer: str, linker_flags: Sequence[str] = (), arguments: Sequence[str] = ()
    ) -> None:
        program = str(tmp_path_factory.mktemp(name) / name)
        flags = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-pthread"]
        flags += [f"-I{build.SOURCES}", *SANITIZERS[sanitizer], *extras.compile_flags, *linker_flags]
        source = str(PROGRAMS / f"{name}.c")
        libraries = [*objects(sanitizer), *extras.link_flags, "-lm"]
        build.run([*build.compiler(), *flags, source, *libraries, "-o", program])
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
        if done.returncode == SKIPPED:
            pytest.skip(done.stderr)
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture(params=["udp", "io_uring"])
def backend(request: pytest.FixtureRequest, native_library: None) -> str:
    """Every backend that needs no network interface of its own, one after the other."""
    name: str = request.param
    if name not in native.features():
        pytest.skip(f"this build has no {name}")
    try:
        native.Plane("127.0.0.1", 1024, 1025, native.PlaneOptions(name)).close()
    except native.MediaError as error:
        pytest.skip(f"this machine has no {name}: {error}")
    return name


@pytest.fixture(scope="module")
def cable() -> Iterator[Cable]:
    """A cable for af_xdp, for all tests of a module."""
    if "af_xdp" not in native.features():
        pytest.skip("this build has no af_xdp")
    if why := cables.obstacle():
        pytest.skip(why)
    with cables.open_cable() as cable:
        yield cable


@pytest.fixture
def near(cable: Cable) -> Iterator[End]:
    """The near end of the cable, where the test is."""
    with cable.near.inside():
        yield cable.near


@pytest.fixture
def open_plane(near: End) -> Iterator[OpenPlane]:
    """Open planes on af_xdp at the near end, by mode, address and interface; the test need not close them."""
    planes = []

    def make(mode: str = "auto", ip: str = near.ip, interface: str = near.interface) -> native.Plane:
        options = native.PlaneOptions("af_xdp", interface, xdp_mode=mode)
        planes.append(plane := native.Plane(ip, *PORTS, options))
        return plane

    yield make
    for plane in planes:
        plane.close()


@pytest.fixture
def native_library() -> None:
    """For tests that need the compiled library: it must be there unless CLUTCH_NATIVE=off is set."""
    if not native.available:
        if os.environ.get("CLUTCH_NATIVE") == "off":
            pytest.skip(native.reason)
        pytest.fail(native.reason)
