#include "pw_arrow.h"

#include <stddef.h>
#include <string.h>

// A consumer may move a child elsewhere: it copies the struct and sets the release of ours to NULL. Each struct
// therefore has a keeper of its own, and a parent leaves alone what was moved.

void pw_arrow_release_schema(struct pw_arrow_schema *schema)
{
    const struct pw_arrow_keeper *keeper = schema->private_data;

    if (!schema->release)
        return;
    for (int64_t i = 0; i < schema->n_children; i++)
        if (schema->children[i]->release)
            schema->children[i]->release(schema->children[i]);
    schema->release = NULL;
    keeper->let_go(keeper->kept);  // the memory of children and keeper may be gone after this
}

void pw_arrow_release_array(struct pw_arrow_array *array)
{
    const struct pw_arrow_keeper *keeper = array->private_data;

    if (!array->release)
        return;
    for (int64_t i = 0; i < array->n_children; i++)
        if (array->children[i]->release)
            array->children[i]->release(array->children[i]);
    array->release = NULL;
    keeper->let_go(keeper->kept);
}

void pw_arrow_release_stream(struct pw_arrow_stream *stream)
{
    struct pw_arrow_source *source = stream->private_data;

    if (!stream->release)
        return;
    if (source->chunk.release)
        source->chunk.release(&source->chunk);
    stream->release = NULL;
    source->keeper.let_go(source->keeper.kept);
}

static int get_schema(struct pw_arrow_stream *stream, struct pw_arrow_schema *out)
{
    const struct pw_arrow_source *source = stream->private_data;

    return source->new_schema(source->keeper.kept, out);
}

// Moves the chunk out; the end of the stream is an array that is released already.
static int get_next(struct pw_arrow_stream *stream, struct pw_arrow_array *out)
{
    struct pw_arrow_source *source = stream->private_data;

    if (source->chunk.release) {
        *out = source->chunk;
        source->chunk.release = NULL;
    } else {
        memset(out, 0, sizeof(*out));
    }
    return 0;
}

// Only get_schema can fail, and only for one reason.
static const char *get_last_error(struct pw_arrow_stream *stream)
{
    (void)stream;
    return "no memory for the schema";
}

void pw_arrow_open(struct pw_arrow_stream *stream, struct pw_arrow_source *source)
{
    stream->get_schema = get_schema;
    stream->get_next = get_next;
    stream->get_last_error = get_last_error;
    stream->release = pw_arrow_release_stream;
    stream->private_data = source;
}
