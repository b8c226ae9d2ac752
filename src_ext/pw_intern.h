// A set of three-word keys, each with a number in order of arrival. Open addressing over the caller's arrays.
#ifndef PW_INTERN_H
#define PW_INTERN_H

#include <stddef.h>
#include <stdint.h>

struct pw_key {
    uint64_t a, b, c;
};

// `slots` holds key number + 1, 0 where free; its length is a power of two, more than `room` keys.
struct pw_intern {
    uint32_t *slots;
    uint64_t mask;  // length of slots - 1
    struct pw_key *keys;
    size_t used;
    size_t room;
};

// The number of the key, entered if it is new; -1 when it is new and there is no room.
int64_t pw_intern_key(struct pw_intern *table, uint64_t a, uint64_t b, uint64_t c);

// Enters keys[0..used) into slots that were just cleared: after the caller has moved to larger arrays.
void pw_intern_rehash(struct pw_intern *table);

#endif
