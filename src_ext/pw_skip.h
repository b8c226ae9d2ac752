// Going over what is mostly nothing.
#ifndef PW_SKIP_H
#define PW_SKIP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// The first byte from `at` on that is not 0, or `n`.
static inline size_t pw_skip_bytes(const uint8_t *bytes, size_t at, size_t n)
{
    uint64_t eight;
    while (at + sizeof eight <= n) {
        memcpy(&eight, bytes + at, sizeof eight);
        if (eight)
            break;
        at += sizeof eight;
    }
    while (at < n && !bytes[at])
        at++;
    return at;
}

// The same of words.
static inline size_t pw_skip_words(const uint32_t *words, size_t at, size_t n)
{
    while (at < n && !words[at])
        at++;
    return at;
}

#endif
