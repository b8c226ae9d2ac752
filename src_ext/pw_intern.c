#include "pw_intern.h"

// The finaliser of splitmix64 over the three words.
static uint64_t mix(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t x = a + UINT64_C(0x9e3779b97f4a7c15) * (b + UINT64_C(0x9e3779b97f4a7c15) * c);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

int64_t pw_intern_key(struct pw_intern *table, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t at = mix(a, b, c) & table->mask;
    for (uint32_t slot; (slot = table->slots[at]) != 0; at = (at + 1) & table->mask) {
        const struct pw_key *key = &table->keys[slot - 1];
        if (key->a == a && key->b == b && key->c == c)
            return slot - 1;
    }
    if (table->used == table->room)
        return -1;
    table->keys[table->used] = (struct pw_key){a, b, c};
    table->slots[at] = (uint32_t)++table->used;
    return (int64_t)table->used - 1;
}

void pw_intern_rehash(struct pw_intern *table)
{
    for (size_t i = 0; i < table->used; i++) {
        const struct pw_key *key = &table->keys[i];
        uint64_t at = mix(key->a, key->b, key->c) & table->mask;
        while (table->slots[at] != 0)
            at = (at + 1) & table->mask;
        table->slots[at] = (uint32_t)(i + 1);
    }
}
