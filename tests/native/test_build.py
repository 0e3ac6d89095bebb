"""What the build can leave out, and what `import native` says then. Each in a fresh interpreter."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from native import build

REPORT = "import native; print(native.available, sorted(native.features()), native.reason, sep='|')"
TRY = """
import native
for make in (lambda: native.Core(1, 2, 3, bytes(16)), lambda: native.Plane("127.0.0.1", 5000, 5010)):
    try:
        make()
    except native.MediaError as error:
        print(error.errno, error)
"""


def python(code: str, folder: Path, **environment: str) -> str:
    """Run code in `folder`, from where it then imports."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the Python face, without a library; returns the folder to import from."""
    (tmp_path / "native").mkdir()
    for module in build.HERE.glob("*.py"):
        shutil.copy(module, tmp_path / "native")
    return tmp_path


def refusal(package: Path, params: str) -> str:
    """What is said to a stream that is connected with these parameters."""
    code = f"""
import native
try:
    native.Core(1, 2, 3, bytes(16)).connect({params}, 0)
except native.MediaError as error:
    print(error)
"""
    return python(code, package)


def test_without_any_extra(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in build.EXTRAS:
        monkeypatch.setenv(f"CLUTCH_WITHOUT_{name.upper()}", "1")
    work = tmp_path / "work"
    work.mkdir()
    build.compile_all(package / "native" / build.LIBRARY.name, work)
    assert python(REPORT, package) == "True|['udp']|"
    assert python("import native; print(native.srtp_suites())", package) == "frozenset()"
    params = "native.Params(('127.0.0.1', 9), 'opus', 48000, 111)"
    assert "connect with opus at 48000 Hz: Operation not supported" in refusal(package, params)
    keys = "native.Keys('AEAD_AES_128_GCM', bytes(28), bytes(28))"
    params = f"native.Params(('127.0.0.1', 9), 'pcmu', 8000, 0, keys={keys})"
    assert "AEAD_AES_128_GCM: Operation not supported" in refusal(package, params)


@pytest.mark.parametrize("name", build.EXTRAS)
def test_each_extra_can_be_left_out(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = build.find_extras(tmp_path).names
    monkeypatch.setenv(f"CLUTCH_WITHOUT_{name.upper()}", "1")
    extras = build.find_extras(tmp_path)
    assert extras.names == [other for other in everything if other != name]
    assert f"-DHAVE_{name.upper()}" not in extras.compile_flags


def test_a_program_for_the_kernel_becomes_an_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "bpf" not in build.find_extras(tmp_path).names:
        pytest.skip("no clang for BPF, or no libbpf")
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    (tmp_path / "two.bpf.c").write_text(
        "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n"
        'SEC("xdp") int two(struct xdp_md *frame) { return frame->data ? XDP_PASS : XDP_DROP; }\n'
    )
    assert build.sources() == []
    build.find_extras(tmp_path)
    header = (tmp_path / "two.bpf.h").read_text()
    assert header.startswith(
        "static const unsigned char two_bpf[] __attribute__((aligned(8))) = {127,69,76,70,"
    )
    (tmp_path / "two.bpf.c").write_text("int two(")
    with pytest.raises(build.BuildError, match=r"two\.bpf\.c"):
        build.find_extras(tmp_path)


def test_without_a_library(package: Path) -> None:
    available, features, reason = python(REPORT, package).split("|")
    assert (available, features) == ("False", "[]")
    assert "not built" in reason
    assert "python native/build.py" in reason
    assert python(TRY, package).count("no native media plane: not built") == 2


def test_switched_off() -> None:
    off = python(REPORT, build.HERE.parent, CLUTCH_NATIVE="off")
    assert off == "False|[]|switched off by CLUTCH_NATIVE=off"


def test_a_build_that_is_off_leaves_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "_native.abi3.so"
    library.touch()
    monkeypatch.setattr(build, "LIBRARY", library)
    monkeypatch.setenv("CLUTCH_NATIVE", "off")
    assert build.build() is None
    assert not library.exists()


def test_a_compiler_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(build.BuildError, match="cannot run no-such-compiler"):
        build.compile_all(tmp_path / "x.so", tmp_path)
