/* What every fuzz target needs: the bytes it is given, taken from the front, and memory that ends where the
 * datagram ends, so that the address sanitizer sees a read beyond it.
 *
 * A target is one C file with LLVMFuzzerTestOneInput; `python -m tests.native.fuzz` builds it with libFuzzer.
 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MUST(condition)                                                                                            \
    do {                                                                                                           \
        if (!(condition))                                                                                          \
            abort();                                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t left;
};

/* The next byte, 0 at the end. */
static inline uint8_t take(struct input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->data++;
}

static inline uint32_t take32(struct input *input)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value = value << 8 | take(input);
    return value;
}

/* A copy of the next `len` bytes, or of what is left of them, with `tail` bytes of room behind; free it. */
static inline uint8_t *take_datagram(struct input *input, size_t *len, size_t tail)
{
    if (*len > input->left)
        *len = input->left;
    uint8_t *copy = malloc(*len + tail + (*len + tail == 0));
    MUST(copy != NULL);
    memcpy(copy, input->data, *len);
    input->data += *len;
    input->left -= *len;
    return copy;
}

#endif
