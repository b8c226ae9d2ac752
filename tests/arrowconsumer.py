"""A consumer of Arrow's C interface that moves, keeps and releases by hand what pyarrow hides."""

from __future__ import annotations

import ctypes
from typing import Any

# Calls through these give the interpreter's lock back, as a consumer written in C++ or Rust does.
Release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Schema(ctypes.Structure):
    _fields_ = (
        ("format", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
        ("metadata", ctypes.c_void_p),
        ("flags", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


class Array(ctypes.Structure):
    _fields_ = (
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.c_void_p),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


class Stream(ctypes.Structure):
    _fields_ = (
        ("get_schema", ctypes.c_void_p),
        ("get_next", ctypes.c_void_p),
        ("get_last_error", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


GetSchema = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Stream), ctypes.POINTER(Schema))
GetNext = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Stream), ctypes.POINTER(Array))
GetLastError = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.POINTER(Stream))

pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
pointer_of.restype = ctypes.c_void_p
pointer_of.argtypes = [ctypes.py_object, ctypes.c_char_p]


def opened(capsule: object) -> Stream:
    """The stream in a capsule, where it lies."""
    return Stream.from_address(pointer_of(capsule, b"arrow_array_stream"))


def described(capsule: object) -> Schema:
    """The schema in a capsule, where it lies."""
    return Schema.from_address(pointer_of(capsule, b"arrow_schema"))


def schema_of(stream: Stream) -> Schema:
    out = Schema()
    assert GetSchema(stream.get_schema)(ctypes.byref(stream), ctypes.byref(out)) == 0
    return out


def next_of(stream: Stream) -> Array:
    out = Array()
    assert GetNext(stream.get_next)(ctypes.byref(stream), ctypes.byref(out)) == 0
    return out


def children(parent: Any) -> list[Any]:
    """The structs below one, where they lie."""
    below = ctypes.cast(parent.children, ctypes.POINTER(ctypes.c_void_p))
    return [type(parent).from_address(below[index]) for index in range(parent.n_children)]


def buffer(array: Array, index: int) -> int | None:
    """Where a buffer lies."""
    held: int | None = ctypes.cast(array.buffers, ctypes.POINTER(ctypes.c_void_p))[index]
    return held


def integers(array: Array) -> list[int]:
    """What an array of int64 holds."""
    at = buffer(array, 1)
    assert at is not None
    return list((ctypes.c_int64 * array.length).from_address(at))


def moved(struct: Any) -> Any:
    """Take a struct over as the interface has it: copy it, and mark the source as released."""
    taken = type(struct).from_buffer_copy(struct)
    struct.release = None
    return taken


def release(struct: Any) -> None:
    Release(struct.release)(ctypes.addressof(struct))
