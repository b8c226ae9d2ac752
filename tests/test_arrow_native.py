"""The structs handed to readers of Arrow: who keeps what for how long, and what native code must refuse."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arrowconsumer as consumer
from pagewalk._native import arrow as native

Tree = tuple[bytes, bytes, bytes, int, int, tuple[Any, ...], tuple[Any, ...]]


class Watched(np.ndarray[Any, Any]):
    """An array that can be asked whether it is still there, as can every other one through its owner."""


def watched(*values: int) -> Watched:
    return np.array(values, np.int64).view(Watched)


def column(values: np.ndarray[Any, Any], form: bytes = b"l", name: bytes = b"x") -> Tree:
    return (form, name, b"", len(values), 0, (None, values), ())


def table(*columns: Tree, length: int | None = None) -> Tree:
    return (b"+s", b"", b"", columns[0][3] if length is None else length, 0, (None,), columns)


def gone(*references: weakref.ref[Any]) -> bool:
    """Whether nothing keeps these any longer: by counting, not by the collector of cycles."""
    return all(reference() is None for reference in references)


class TestLifetime:
    def test_a_stream_that_nobody_reads_is_dropped_with_its_capsule(self) -> None:
        values = watched(1, 2)
        reference = weakref.ref(values)
        capsule = native.stream(table(column(values)))
        del values
        assert not gone(reference)
        del capsule
        assert gone(reference)

    def test_a_schema_that_nobody_reads_is_dropped_with_its_capsule(self) -> None:
        values = watched(1, 2)
        reference = weakref.ref(values)
        capsule = native.schema(table(column(values)))
        assert [child.name for child in consumer.children(consumer.described(capsule))] == [b"x"]
        del values, capsule
        assert gone(reference)

    def test_a_schema_that_is_read_outlives_its_capsule(self) -> None:
        capsule = native.schema(table(column(watched(1), name=b"pid")))
        taken = consumer.moved(consumer.described(capsule))
        del capsule
        assert [(child.format, child.name, child.flags) for child in consumer.children(taken)] == [(b"l", b"pid", 2)]
        consumer.release(taken)
        assert taken.release is None

    def test_the_chunk_outlives_stream_and_capsule(self) -> None:
        values = watched(3, 4, 5)
        reference = weakref.ref(values)
        capsule = native.stream(table(column(values)))
        del values
        stream = consumer.moved(consumer.opened(capsule))
        del capsule
        chunk = consumer.next_of(stream)
        consumer.release(stream)
        assert stream.release is None
        assert consumer.integers(consumer.children(chunk)[0]) == [3, 4, 5]
        consumer.release(chunk)
        assert gone(reference)

    def test_a_stream_that_is_released_unread_lets_its_chunk_go(self) -> None:
        values = watched(1)
        reference = weakref.ref(values)
        capsule = native.stream(table(column(values)))
        del values
        consumer.release(consumer.opened(capsule))
        assert gone(reference)
        del capsule  # finds nothing left to release

    def test_the_end_is_a_chunk_that_is_released(self) -> None:
        capsule = native.stream(table(column(watched(1))))
        stream = consumer.opened(capsule)
        chunk = consumer.next_of(stream)
        assert [consumer.next_of(stream).release for _ in range(3)] == [None] * 3
        consumer.release(chunk)

    def test_a_child_moved_away_outlives_its_parent(self) -> None:
        first, second = watched(1, 2), watched(3, 4)
        references = weakref.ref(first), weakref.ref(second)
        capsule = native.stream(table(column(first), column(second)))
        del first, second
        chunk = consumer.next_of(consumer.opened(capsule))
        del capsule
        child = consumer.moved(consumer.children(chunk)[1])
        consumer.release(chunk)
        assert gone(references[0])
        assert consumer.integers(child) == [3, 4]
        consumer.release(child)
        assert gone(*references)

    def test_each_schema_of_a_stream_is_its_own(self) -> None:
        capsule = native.stream(table(column(watched(1), name=b"a"), column(watched(1), name=b"b")))
        stream = consumer.opened(capsule)
        schemas = [consumer.schema_of(stream) for _ in range(3)]
        child = consumer.moved(consumer.children(schemas[0])[1])
        consumer.release(schemas[0])
        del capsule
        assert [each.name for each in consumer.children(schemas[1])] == [b"a", b"b"]
        assert child.name == b"b"
        for schema in (schemas[1], schemas[2], child):
            consumer.release(schema)

    def test_releasing_twice_does_nothing(self) -> None:
        """The interface forbids it; a consumer that does it all the same must not make us free another's memory."""
        values = watched(1)
        others = native.stream(table(column(values)))  # what a second release would take from
        before = sys.getrefcount(values)
        capsule = native.stream(table(column(values)))
        stream = consumer.opened(capsule)
        for struct in (consumer.next_of(stream), consumer.schema_of(stream), stream):
            function = consumer.Release(struct.release)
            function(ctypes.addressof(struct))
            assert struct.release is None
            function(ctypes.addressof(struct))
        del capsule
        assert sys.getrefcount(values) == before
        chunk = consumer.next_of(consumer.opened(others))
        assert consumer.integers(consumer.children(chunk)[0]) == [1]
        consumer.release(chunk)

    def test_released_by_a_thread_without_the_lock(self) -> None:
        values = watched(*range(100))
        reference = weakref.ref(values)
        capsules = [native.stream(table(column(values))) for _ in range(64)]
        chunks = [consumer.next_of(consumer.opened(capsule)) for capsule in capsules]
        del values, capsules

        def work(share: list[consumer.Array]) -> None:
            for chunk in share:
                consumer.release(chunk)

        threads = [threading.Thread(target=work, args=(chunks[start::4],)) for start in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert gone(reference)

    def test_the_collector_leaves_alone_what_is_handed_out(self) -> None:
        capsule = native.stream(table(column(watched(7, 8))))
        stream = consumer.moved(consumer.opened(capsule))
        del capsule
        gc.collect()
        chunk = consumer.next_of(stream)
        consumer.release(stream)
        gc.collect()
        assert consumer.integers(consumer.children(chunk)[0]) == [7, 8]
        consumer.release(chunk)

    def test_released_after_the_interpreter_has_ended(self) -> None:
        """A consumer's own destructors may run later than Python's."""
        script = (
            "import ctypes, numpy as np\n"
            "import arrowconsumer as consumer\n"
            "from pagewalk._native import arrow as native\n"
            "capsule = native.stream((b'+s', b'', b'', 0, 0, (None,), ()))\n"
            "chunk = consumer.next_of(consumer.opened(capsule))\n"
            "at = ctypes.addressof(chunk)\n"
            "ctypes.pythonapi.Py_IncRef(ctypes.py_object(chunk))\n"
            "register = ctypes.CDLL(None).__cxa_atexit\n"
            "register.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]\n"
            "assert register(chunk.release, at, None) == 0\n"
        )
        done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def environment() -> dict[str, str]:
    """An environment in which a child finds the modules of the tests."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


class TestRefusals:
    @pytest.mark.parametrize(
        ("tree", "message"),
        [
            ((b"q", b"", b"", 0, 0, (), ()), "no such format"),
            ((b"l", b"", b"", 1, 0, (None,), ()), "another number of buffers"),
            ((b"l", b"", b"", 1, 0, (None, None), ()), "buffer 1 of .* is missing"),
            ((b"l", b"", b"", 1, 1, (None, np.zeros(1, np.int64)), ()), "buffer 0 of .* is missing"),
            ((b"l", b"", b"", 2, 0, (None, np.zeros(1, np.int64)), ()), "buffer 1 of .* is too short"),
            ((b"b", b"", b"", 9, 0, (None, np.zeros(1, np.uint8)), ()), "buffer 1 of .* is too short"),
            ((b"l", b"", b"", 9, 1, (np.zeros(1, np.uint8), np.zeros(9, np.int64)), ()), "buffer 0 of .* is too short"),
            ((b"l", b"", b"", 1, 0, (None, np.zeros(9, np.uint8)[1:]), ()), "not aligned"),
            ((b"l", b"", b"", -1, 0, (None, np.zeros(1, np.int64)), ()), "below 0"),
            ((b"l", b"", b"", 1, 2, (np.zeros(1, np.uint8), np.zeros(1, np.int64)), ()), "more nulls"),
            ((b"l", b"", b"", 1, -1, (np.zeros(1, np.uint8), np.zeros(1, np.int64)), ()), "more nulls"),
            ((b"U", b"", b"", 1, 0, (None, np.array([0]), b""), ()), "too short"),
            ((b"U", b"", b"", 1, 0, (None, np.array([0, 3]), b"ab"), ()), "beyond what is there"),
            ((b"U", b"", b"", 1, 0, (None, np.array([-1, 1]), b"ab"), ()), "beyond what is there"),
            ((b"U", b"", b"", 2, 0, (None, np.array([0, 2, 1]), b"ab"), ()), "offsets that fall"),
            ((b"+L", b"", b"", 1, 0, (None, np.array([0, 2])), (column(watched(1)),)), "beyond what is there"),
            ((b"+s", b"", b"", 2, 0, (None,), (column(watched(1)),)), "shorter than its table"),
            ((b"l", b"", b"", 0, 0, (None, watched()), (column(watched(1)),)), "no columns below it"),
            ((b"+L", b"", b"", 0, 0, (None, np.zeros(1, np.int64)), ()), "need more than 0 values"),
            ((b"l", b""), "need more than 2 values"),
        ],
    )
    def test_what_would_be_read_beyond_its_end(self, tree: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            native.stream(tree)

    def test_memory_with_holes(self) -> None:
        with pytest.raises((ValueError, BufferError), match="contiguous"):
            native.stream(table((b"l", b"", b"", 2, 0, (None, np.zeros(4, np.int64)[::2]), ())))

    @pytest.mark.parametrize("call", [native.schema, native.stream])
    def test_what_is_no_column(self, call: Any) -> None:
        for tree in (None, 7, (1, 2, 3, 4, 5, 6, 7), ("+s", "", "", 0, 0, (None,), ())):
            with pytest.raises((TypeError, ValueError)):
                call(tree)

    def test_refusing_keeps_nothing(self) -> None:
        values = np.zeros(1, np.int64)
        no_bytes: Any = "text"
        before = sys.getrefcount(values)
        for _ in range(10):
            with pytest.raises(ValueError, match="shorter"):
                native.stream(table(column(values), column(values), length=2))
            with pytest.raises(TypeError):
                native.stream((b"+s", b"", no_bytes, 1, 0, (None,), (column(values),)))
        assert sys.getrefcount(values) == before


# Each native function with what must leave no trace, however often it is called.
LEAKS = {
    "schema": lambda: native.schema(table(column(watched(1), name=b"pid"), column(watched(2)))),
    "stream": lambda: native.stream(table(column(watched(1), name=b"pid"), column(watched(2)))),
}


def read(capsule: object, call: str) -> None:
    """Read what a capsule holds and let go of all of it."""
    if call == "schema":
        consumer.release(consumer.moved(consumer.described(capsule)))
        return
    stream = consumer.moved(consumer.opened(capsule))
    for struct in (consumer.schema_of(stream), consumer.next_of(stream), stream):
        consumer.release(struct)


def resident() -> int:
    """Bytes of this process in RAM."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def least_growth(turn: Callable[[], object], enough: int) -> int:
    """By how much this process grows in the best of three turns; one that grew by less than `enough` is the last."""
    grown = []
    for _ in range(3):
        gc.collect()
        before = resident()
        turn()
        gc.collect()
        grown.append(resident() - before)
        if grown[-1] < enough:
            break
    return min(grown)


@pytest.mark.unsanitized("what is freed is kept in quarantine")
@pytest.mark.parametrize("reading", [False, True], ids=["unread", "read"])
@pytest.mark.parametrize("call", sorted(LEAKS))
def test_no_leak(call: str, reading: bool) -> None:
    def rounds(count: int) -> None:
        for _ in range(count):
            capsule = LEAKS[call]()
            if reading:
                read(capsule, call)

    rounds(2000)
    gc.collect()
    before = len(gc.get_objects())
    # One leaked object of 200 bytes a round would be 2 MB in every turn; an allocator may grow once.
    assert least_growth(lambda: rounds(10_000), 1 << 20) < 1 << 20
    assert len(gc.get_objects()) - before < 100


def test_every_native_function_has_its_leak_test() -> None:
    assert {name for name in vars(native) if not name.startswith("_")} == set(LEAKS)
