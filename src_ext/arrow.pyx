# cython: auto_pickle=False
"""Columns handed to whoever reads Arrow: the structs of its C interface over buffers that Python keeps.

A column is a tuple (format, name, metadata, length, nulls, buffers, children), the table itself one of format ``+s``.
Nothing is copied. Each struct that a consumer gets lies in a Python object of its own, which keeps a buffer view of the
memory below it and is kept by one reference until the struct is released, wherever it has been moved.
"""

cimport cython
from cpython.buffer cimport Py_buffer, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.pycapsule cimport PyCapsule_GetContext, PyCapsule_GetPointer, PyCapsule_New, PyCapsule_SetContext
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject, Py_XDECREF
from libc.errno cimport ENOMEM
from libc.stdint cimport int64_t

from pw cimport (
    PW_ARROW_NULLABLE, pw_arrow_array, pw_arrow_keeper, pw_arrow_open, pw_arrow_release_array,
    pw_arrow_release_schema, pw_arrow_schema, pw_arrow_source, pw_arrow_stream
)


cdef extern from "Python.h" nogil:
    bint Py_IsInitialized()


# The buffers of each format: bits an entry, and how many entries there are beyond the column's length. The first is
# the validity bitmap, None where nothing is null.
_BUFFERS = {
    b"n": (),
    b"b": ((1, 0), (1, 0)),
    b"l": ((1, 0), (64, 0)),
    b"L": ((1, 0), (64, 0)),
    b"g": ((1, 0), (64, 0)),
    b"U": ((1, 0), (64, 1), (0, 0)),
    b"+L": ((1, 0), (64, 1)),
    b"+s": ((1, 0),),
}


def schema(tree not None):
    """Return the PyCapsule ``arrow_schema`` of a column."""
    cdef _Schema made = _Schema(tree)
    capsule = PyCapsule_New(&made.schema, "arrow_schema", drop_schema)
    keep_in(capsule, made)
    hand_out_schema(made)
    return capsule


def stream(tree not None):
    """Return the PyCapsule ``arrow_array_stream`` of a table: a stream of one chunk."""
    cdef _Stream made = _Stream(tree)
    cdef _Array chunk = _Array(tree)
    _Schema(made.described)  # what cannot be described fails here, not in a callback
    capsule = PyCapsule_New(&made.stream, "arrow_array_stream", drop_stream)
    keep_in(capsule, made)
    hand_out_array(chunk)
    made.source.chunk = chunk.array
    made.source.keeper.kept = kept(made)
    made.source.keeper.let_go = let_go
    made.source.new_schema = new_schema
    pw_arrow_open(&made.stream, &made.source)
    return capsule


cdef class _Schema:
    """One schema struct, with the objects below it."""
    cdef pw_arrow_schema schema
    cdef pw_arrow_keeper keeper
    cdef tuple words
    cdef list below
    cdef bytearray pointers

    def __cinit__(self, tree not None):
        cdef bytes form, name, metadata
        cdef Py_ssize_t i
        cdef _Schema child
        cdef pw_arrow_schema **children
        form, name, metadata, _, _, _, columns = tree
        self.words = (form, name, metadata)
        self.below = [_Schema(column) for column in columns]
        self.pointers = bytearray(len(self.below) * sizeof(pw_arrow_schema *))
        children = <pw_arrow_schema **><void *>PyByteArray_AS_STRING(self.pointers)
        for i in range(len(self.below)):
            child = self.below[i]
            children[i] = &child.schema
        self.schema.format = PyBytes_AS_STRING(form)
        self.schema.name = PyBytes_AS_STRING(name)
        self.schema.metadata = PyBytes_AS_STRING(metadata) if metadata else NULL
        self.schema.flags = PW_ARROW_NULLABLE
        self.schema.n_children = len(self.below)
        self.schema.children = children


cdef class _Array:
    """One array struct, with its buffers and the objects below it."""
    cdef pw_arrow_array array
    cdef pw_arrow_keeper keeper
    cdef Py_buffer views[3]
    cdef int n_views
    cdef const void *buffers[3]
    cdef list below
    cdef bytearray pointers

    def __cinit__(self, tree not None):
        cdef Py_ssize_t i
        cdef _Array child
        cdef pw_arrow_array **children
        form, _, _, length, nulls, buffers, columns = tree
        self.below = [_Array(column) for column in columns]
        self.pointers = bytearray(len(self.below) * sizeof(pw_arrow_array *))
        children = <pw_arrow_array **><void *>PyByteArray_AS_STRING(self.pointers)
        for i in range(len(self.below)):
            child = self.below[i]
            children[i] = &child.array
        self.array.length = length
        self.array.null_count = nulls
        self.array.n_children = len(self.below)
        self.array.children = children
        self.take(form, buffers)
        self.check(form)

    def __dealloc__(self):
        for i in range(self.n_views):
            PyBuffer_Release(&self.views[i])

    cdef int take(self, bytes form, tuple buffers) except -1:
        """Take hold of the buffers, each as long as the format wants."""
        wanted = _BUFFERS.get(form)
        if wanted is None or len(buffers) != len(wanted):
            raise ValueError(f"no such format, or another number of buffers: {form!r}, {len(buffers)}")
        if self.array.length < 0 or not 0 <= self.array.null_count <= self.array.length:
            raise ValueError("a length below 0, or more nulls than values")
        for i, (bits, more) in enumerate(wanted):
            self.buffers[i] = NULL
            if buffers[i] is None:
                if i > 0 or self.array.null_count:
                    raise ValueError(f"buffer {i} of {form!r} is missing")
                continue
            PyObject_GetBuffer(buffers[i], &self.views[self.n_views], PyBUF_SIMPLE)
            self.n_views += 1
            self.buffers[i] = self.views[self.n_views - 1].buf
            if self.views[self.n_views - 1].len * 8 < bits * (self.array.length + more):
                raise ValueError(f"buffer {i} of {form!r} is too short")
            if bits == 64 and <size_t>self.buffers[i] % sizeof(int64_t):
                raise ValueError(f"buffer {i} of {form!r} is not aligned")
        self.array.n_buffers = len(wanted)
        self.array.buffers = self.buffers
        return 0

    cdef int check(self, bytes form) except -1:
        """Check what points elsewhere: offsets into what is below, and columns of one length."""
        cdef _Array child
        cdef int64_t room
        if form == b"U":
            self.check_offsets(self.views[self.n_views - 1].len)
        elif form == b"+L":
            child, = self.below
            self.check_offsets(child.array.length)
        elif form != b"+s" and self.below:
            raise ValueError(f"{form!r} has no columns below it")
        elif form == b"+s":
            for child in self.below:
                room = child.array.length
                if room < self.array.length:
                    raise ValueError("a column is shorter than its table")
        return 0

    cdef int check_offsets(self, int64_t room) except -1:
        cdef const int64_t *offsets = <const int64_t *>self.buffers[1]
        cdef int64_t i, wrong
        with nogil:
            wrong = offsets[0] < 0 or offsets[self.array.length] > room
            for i in range(self.array.length):
                wrong |= offsets[i] > offsets[i + 1]
        if wrong:
            raise ValueError("offsets that fall, or that point beyond what is there")
        return 0


cdef class _Stream:
    """One stream struct and what its schema is made from: no buffers, which go when the chunk is released."""
    cdef pw_arrow_stream stream
    cdef pw_arrow_source source
    cdef tuple described

    def __cinit__(self, tree not None):
        self.described = bare(tree)


cdef tuple bare(object tree):
    """The same column without its figures."""
    form, name, metadata, _, _, _, columns = tree
    return form, name, metadata, 0, 0, (), tuple([bare(column) for column in columns])


cdef void *kept(object keeper) noexcept:
    """One more reference, which let_go drops."""
    Py_INCREF(keeper)
    return <void *>keeper


@cython.linetrace(False)  # a build that measures coverage would ask the ended interpreter for its lock
cdef void let_go(void *keeper) noexcept nogil:
    """Drop the reference from whatever thread; an interpreter that has ended has no objects to drop."""
    if Py_IsInitialized():
        let_go_locked(keeper)


cdef void let_go_locked(void *keeper) noexcept with gil:
    Py_DECREF(<object>keeper)


cdef void hand_out_schema(_Schema made) noexcept:
    """Let each struct keep its object; nothing can fail from here on."""
    cdef _Schema child
    made.schema.release = pw_arrow_release_schema
    made.schema.private_data = &made.keeper
    made.keeper.kept = kept(made)
    made.keeper.let_go = let_go
    for child in made.below:
        hand_out_schema(child)


cdef void hand_out_array(_Array made) noexcept:
    cdef _Array child
    made.array.release = pw_arrow_release_array
    made.array.private_data = &made.keeper
    made.keeper.kept = kept(made)
    made.keeper.let_go = let_go
    for child in made.below:
        hand_out_array(child)


cdef int new_schema(void *keeper, pw_arrow_schema *out) noexcept with gil:
    """Make one more schema: consumers may ask a stream for it as often as they like, and each owns what it got."""
    cdef _Schema made
    try:
        made = _Schema((<_Stream>keeper).described)
    except Exception:
        return ENOMEM
    hand_out_schema(made)
    out[0] = made.schema
    return 0


cdef int keep_in(object capsule, object keeper) except -1:
    """Let the capsule keep the object in which its struct lies, whether or not that is ever released."""
    PyCapsule_SetContext(capsule, kept(keeper))
    return 0


# Destructors of the capsules. Release is NULL where a consumer has taken the struct.
cdef void drop_schema(object capsule) noexcept:
    cdef pw_arrow_schema *held = <pw_arrow_schema *>PyCapsule_GetPointer(capsule, "arrow_schema")
    if held.release:
        held.release(held)
    Py_XDECREF(<PyObject *>PyCapsule_GetContext(capsule))


cdef void drop_stream(object capsule) noexcept:
    cdef pw_arrow_stream *held = <pw_arrow_stream *>PyCapsule_GetPointer(capsule, "arrow_array_stream")
    if held.release:
        held.release(held)
    Py_XDECREF(<PyObject *>PyCapsule_GetContext(capsule))
