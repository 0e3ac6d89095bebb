"""The C unit tests, under the address, undefined-behaviour and thread sanitizers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import native

HEAP = ("malloc", "calloc", "realloc", "aligned_alloc", "free")


@pytest.mark.parametrize(
    "name",
    [
        "test_ring",
        "test_ports",
        "test_mcache",
        "test_downlink",
        "test_delay",
        "test_jitter",
        "test_dtmf",
        "test_frame",
        "test_xsk",
        "test_forward",
        "test_neighbour",
        "test_g711",
        "test_resample",
        "test_mixer",
        "test_room",
        "test_srtp",
        "test_udp",
        "test_numa",
    ],
)
def test_under_the_address_sanitizer(run_program: Callable[..., None], name: str) -> None:
    run_program(name, "address")


@pytest.mark.parametrize("name", ["test_ring", "test_mcache", "test_downlink", "test_neighbour", "test_room"])
def test_under_the_thread_sanitizer(run_program: Callable[..., None], name: str) -> None:
    run_program(name, "thread")


@pytest.mark.parametrize("sanitizer", ["address", "thread"])
def test_recordings_on_a_bad_disk(run_program: Callable[..., None], sanitizer: str) -> None:
    run_program("test_recorder", sanitizer, ["-Wl,--wrap=pwrite"])


@pytest.mark.parametrize("sanitizer", ["address", "thread"])
def test_a_plane(run_program: Callable[..., None], backend: str, sanitizer: str) -> None:
    run_program("test_plane", sanitizer, arguments=[backend])


@pytest.mark.parametrize("mode", ["driver", "generic"])
@pytest.mark.parametrize("sanitizer", ["address", "thread"])
def test_a_plane_on_a_cable(run_program: Callable[..., None], sanitizer: str, mode: str) -> None:
    if "af_xdp" not in native.features():
        pytest.skip("this build has no af_xdp")
    run_program("test_plane", sanitizer, arguments=["af_xdp", mode])


def test_a_backend(run_program: Callable[..., None], backend: str) -> None:
    wrapped = [f"-Wl,--wrap={name}" for name in ("reactor_receive", "reactor_detached")]
    run_program("test_backend", "address", wrapped, [backend])


def test_any_datagram_is_survived(run_program: Callable[..., None]) -> None:
    run_program("fuzz_stream", "address")


def test_a_stream_is_small_and_packets_do_not_allocate(run_program: Callable[..., None]) -> None:
    run_program("test_memory", "none", [f"-Wl,--wrap={name}" for name in HEAP])
