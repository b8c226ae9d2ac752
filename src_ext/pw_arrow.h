// The Arrow C data and stream interfaces: three structs, which are an ABI, and the callbacks that go with them.
// https://arrow.apache.org/docs/format/CDataInterface.html, .../CStreamInterface.html
//
// What is handed out outlives the call that made it, and here nothing is allocated: a struct's private data says who
// keeps its memory, and how to tell that keeper that it is not needed any longer.
#ifndef PW_ARROW_H
#define PW_ARROW_H

#include <stdint.h>

// ARROW_FLAG_NULLABLE: the column may hold nulls.
#define PW_ARROW_NULLABLE 2

// struct ArrowSchema
struct pw_arrow_schema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct pw_arrow_schema **children;
    struct pw_arrow_schema *dictionary;
    void (*release)(struct pw_arrow_schema *schema);
    void *private_data;
};

// struct ArrowArray
struct pw_arrow_array {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct pw_arrow_array **children;
    struct pw_arrow_array *dictionary;
    void (*release)(struct pw_arrow_array *array);
    void *private_data;
};

// struct ArrowArrayStream
struct pw_arrow_stream {
    int (*get_schema)(struct pw_arrow_stream *stream, struct pw_arrow_schema *out);
    int (*get_next)(struct pw_arrow_stream *stream, struct pw_arrow_array *out);
    const char *(*get_last_error)(struct pw_arrow_stream *stream);
    void (*release)(struct pw_arrow_stream *stream);
    void *private_data;
};

// The private data of a schema and of an array. `let_go` is called once, from whatever thread the consumer is in.
struct pw_arrow_keeper {
    void *kept;
    void (*let_go)(void *kept);
};

// The private data of a stream of one chunk. `new_schema` makes a schema of its own for each who asks: 0 or an errno.
struct pw_arrow_source {
    struct pw_arrow_keeper keeper;
    struct pw_arrow_array chunk;  // released or moved out: there is no more
    int (*new_schema)(void *kept, struct pw_arrow_schema *out);
};

// Release one struct and those below it which the consumer has not moved elsewhere; nothing if it is released already.
void pw_arrow_release_schema(struct pw_arrow_schema *schema);
void pw_arrow_release_array(struct pw_arrow_array *array);
void pw_arrow_release_stream(struct pw_arrow_stream *stream);

// Sets the callbacks of a stream over `source`.
void pw_arrow_open(struct pw_arrow_stream *stream, struct pw_arrow_source *source);

#endif
