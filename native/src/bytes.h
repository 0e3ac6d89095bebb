/* Numbers in network byte order, at any address. */
#ifndef CLUTCH_BYTES_H
#define CLUTCH_BYTES_H

#include <stdint.h>

static inline uint16_t read16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t read32(const uint8_t *p)
{
    return (uint32_t)read16(p) << 16 | read16(p + 2);
}

static inline void write16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static inline void write32(uint8_t *p, uint32_t value)
{
    write16(p, (uint16_t)(value >> 16));
    write16(p + 2, (uint16_t)value);
}

#endif
