# The plain C of src_ext, as Cython sees it.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

ctypedef Py_ssize_t ssize_t


cdef extern from "pw_abi.h" nogil:
    const uint64_t PW_PM_PFRAME_MASK
    const uint64_t PW_PM_MMAP_EXCLUSIVE
    const uint64_t PW_PM_GUARD_REGION
    const uint64_t PW_PM_FILE
    const uint64_t PW_PM_SWAP
    const uint64_t PW_PM_PRESENT
    const int PW_TELLS_SHIFT
    const int PW_BLOCK_SHIFT
    const int PW_BLOCK_OWNED
    const int PW_BLOCK_ASKED
    const int PW_BLOCK_HUGE
    const uint64_t PW_TOLD_ANON
    const uint64_t PW_TOLD_SHMEM
    const uint64_t PW_SWAP_TYPE_MASK
    const int PW_SWAP_OFFSET_SHIFT
    const uint64_t PW_MAX_SWAPFILES_LEAST
    const uint64_t PW_KPF_ANON
    const uint64_t PW_KPF_SWAPBACKED
    const uint64_t PW_KPF_OWNER_2
    const uint64_t PW_KPF_COMPOUND_HEAD
    const uint64_t PW_KPF_COMPOUND_TAIL
    const uint64_t PW_KPF_OF_FOLIO
    const uint64_t PW_KPF_ON_NEW_TAILS


cdef extern from "pw_io.h" nogil:
    ssize_t pw_read_words(int fd, uint64_t first, uint64_t *out, size_t count)
    ssize_t pw_read_text(int fd, char *out, size_t size)
    int pw_same_mm(int pid_a, int pid_b)
    int pw_open_at(int dir_fd, const char *path)
    void pw_close(int fd)
    uint64_t pw_now()
    void pw_pause(uint64_t ns)


cdef extern from "pw_scan.h" nogil:
    struct pw_region:
        uint64_t start
        uint64_t end
        uint64_t categories
    ssize_t pw_scan_populated(int fd, uint64_t start, uint64_t end, uint64_t page_size, uint64_t max_pages,
                              pw_region *out, size_t count, uint64_t *next)


cdef extern from "pw_fetch.h" nogil:
    void pw_fetch(const void *at)


cdef extern from "pw_skip.h" nogil:
    size_t pw_skip_bytes(const uint8_t *bytes, size_t at, size_t n)
    size_t pw_skip_words(const uint32_t *words, size_t at, size_t n)


cdef extern from "pw_folio.h" nogil:
    int pw_find_head(int fd_flags, uint64_t pfn, uint64_t *head, uint64_t *flags)


cdef extern from "pw_residence.h" nogil:
    ssize_t pw_resident_words(int fd, int fd_pagemap, uint64_t offset, size_t page_size, unsigned char *resident,
                              uint64_t *words, size_t pages)
    int pw_is_hugetlbfs(int fd)


cdef extern from "pw_maps.h" nogil:
    struct pw_vmas:
        uint64_t *start
        uint64_t *end
        uint64_t *offset
        uint64_t *inode
        uint32_t *major
        uint32_t *minor
        uint8_t *perms
        uint32_t *name_at
        uint32_t *name_len
    size_t pw_count_lines(const char *text, size_t size)
    ssize_t pw_parse_maps(const char *text, size_t size, const pw_vmas *out, size_t count)
    size_t pw_first_overlap(const pw_vmas *vmas, size_t rows)
    const int PW_TELLS_ANON
    const int PW_TELLS_SHMEM
    struct pw_devices:
        const uint64_t *plain
        size_t count
        uint64_t shmem
    struct pw_reading:
        uint64_t *range_start
        uint64_t *range_stop
        uint64_t *vma_start
        uint64_t *vma_stop
        uint8_t *tells
    size_t pw_plan_reading(const pw_vmas *vmas, size_t rows, const char *text, uint64_t page_size, uint64_t bridge,
                           const pw_devices *devices, const pw_reading *out, uint64_t *vss)


cdef extern from "pw_intern.h" nogil:
    struct pw_key:
        uint64_t a
        uint64_t b
        uint64_t c
    struct pw_intern:
        uint32_t *slots
        uint64_t mask
        pw_key *keys
        size_t used
        size_t room
    int64_t pw_intern_key(pw_intern *table, uint64_t a, uint64_t b, uint64_t c)
    void pw_intern_rehash(pw_intern *table)


cdef extern from "pw_arrow.h" nogil:
    const int PW_ARROW_NULLABLE
    struct pw_arrow_schema:
        const char *format
        const char *name
        const char *metadata
        int64_t flags
        int64_t n_children
        pw_arrow_schema **children
        pw_arrow_schema *dictionary
        void (*release)(pw_arrow_schema *schema) noexcept
        void *private_data
    struct pw_arrow_array:
        int64_t length
        int64_t null_count
        int64_t offset
        int64_t n_buffers
        int64_t n_children
        const void **buffers
        pw_arrow_array **children
        pw_arrow_array *dictionary
        void (*release)(pw_arrow_array *array) noexcept
        void *private_data
    struct pw_arrow_stream:
        void (*release)(pw_arrow_stream *stream) noexcept
    struct pw_arrow_keeper:
        void *kept
        void (*let_go)(void *kept) noexcept
    struct pw_arrow_source:
        pw_arrow_keeper keeper
        pw_arrow_array chunk
        int (*new_schema)(void *kept, pw_arrow_schema *out) noexcept
    void pw_arrow_release_schema(pw_arrow_schema *schema) noexcept
    void pw_arrow_release_array(pw_arrow_array *array) noexcept
    void pw_arrow_open(pw_arrow_stream *stream, pw_arrow_source *source) noexcept


cdef extern from "pw_stat.h" nogil:
    struct pw_stat:
        int64_t state
        int64_t ppid
        int64_t session
        int64_t flags
        int64_t faults
        int64_t exit_signal
        int64_t start_time
        int64_t vsize
        int64_t rss_pages
        int64_t pid
        const char *comm
        size_t comm_len
        int64_t *layout
    int pw_parse_stat(const char *text, size_t size, pw_stat *out)


cdef extern from "pw_space.h" nogil:
    struct pw_space:
        int dir
        int pagemap
        size_t used
        pw_stat stat
        const char *file
    int pw_open_space(const char *path, char *text, size_t room, pw_space *out)


cdef extern from "pw_tree.h" nogil:
    int pw_read_stat(int fd, pw_stat *out)
    int pw_set_subreaper(int on)
