// Reading the kernel's 64-bit words. Knows nothing of Python: fills what it is given, says how much, or which errno.
#ifndef PW_IO_H
#define PW_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Reads up to `count` words from word number `first`. Returns the words read (fewer at the end of the file), or -errno.
// Goes on after EINTR and after a short read: pagemap_read gives a short one when a fatal signal is pending,
// kpage_read at the last frame.
ssize_t pw_read_words(int fd, uint64_t first, uint64_t *out, size_t count);

// Reads a text file of /proc from where it stands until it ends or the buffer is full. Returns bytes read, or -errno.
ssize_t pw_read_text(int fd, char *out, size_t size);

// Opens a file below a directory for reading. A descriptor, or -errno.
int pw_open_at(int dir_fd, const char *path);

void pw_close(int fd);

// kcmp(2) KCMP_VM: 0 one mm, 1 or 2 an order, 3 differ without order, or -errno.
int pw_same_mm(int pid_a, int pid_b);

// Monotonic nanoseconds.
uint64_t pw_now(void);

// Sleeps so long, signals or not.
void pw_pause(uint64_t ns);

#endif
