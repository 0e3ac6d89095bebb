/* Ethernet frames, as AF_XDP receives them: a datagram lies within its frame. */
#include "frame.h"

#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct frame frame;
    size_t len = size;
    uint8_t *copy = take_datagram(&input, &len, 0);
    if (frame_parse(copy, len, &frame))
        MUST(frame.payload >= copy + FRAME_IPV4_HEADERS && frame.payload + frame.len <= copy + len);
    free(copy);
    return 0;
}
