/* The memory of an mcache: a memfd, and everybody's mapping of it (mcache.h). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mcache.h"

static bool is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static bool is_valid(uint64_t depth, uint64_t words, uint32_t mtu)
{
    return is_power_of_two(depth) && depth >= 2 && depth <= MCACHE_DEPTH_MAX && is_power_of_two(words)
           && words <= MCACHE_WORDS_MAX && mtu > 0 && mtu <= words * sizeof(uint64_t);
}

static size_t footprint(uint64_t depth, uint64_t words)
{
    return sizeof(struct mcache_header) + depth * sizeof(struct mcache_line) + words * sizeof(uint64_t);
}

static int map(struct mcache *mcache, size_t size, bool writable)
{
    int access = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *memory = mmap(NULL, size, access, MAP_SHARED, mcache->fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    mcache->header = memory;
    mcache->size = size;
    mcache->produces = writable;
    return 0;
}

/* Take over the sizes, once: they are not believed again. */
static int adopt(struct mcache *mcache)
{
    const struct mcache_header *header = mcache->header;
    uint64_t depth = header->depth, words = header->words;
    uint32_t mtu = header->mtu;
    if (header->magic != MCACHE_MAGIC || header->version != MCACHE_VERSION || !is_valid(depth, words, mtu)
        || footprint(depth, words) > mcache->size)
        return -EPROTO;
    mcache->lines = mcache->header->lines;
    mcache->words = (_Atomic uint64_t *)(mcache->lines + depth);
    mcache->line_mask = depth - 1;
    mcache->word_mask = words - 1;
    mcache->word_count = words;
    mcache->mtu = mtu;
    return 0;
}

/* Nothing was ever written: every line has the number that its first one will replace. */
static void format(struct mcache_header *header, uint32_t depth, uint64_t words, uint32_t mtu)
{
    for (uint64_t i = 0; i < depth; i++)
        atomic_init(&header->lines[i].stamp, i - depth);
    header->depth = depth;
    header->words = words;
    header->mtu = mtu;
    header->version = MCACHE_VERSION;
    header->magic = MCACHE_MAGIC;
}

/* A file of this size, which it keeps. */
static int open_memory(size_t size)
{
    int fd = memfd_create("clutch-mcache", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)size) != 0
        || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

static struct mcache *new_mcache(int fd)
{
    struct mcache *mcache = calloc(1, sizeof *mcache);
    if (mcache != NULL)
        mcache->fd = fd;
    else
        close(fd);
    return mcache;
}

static int finish(struct mcache *mcache, int error, struct mcache **out)
{
    if (error != 0)
        mcache_leave(mcache);
    else
        *out = mcache;
    return error;
}

int mcache_create(struct mcache **out, uint32_t depth, uint64_t data_bytes, uint32_t mtu)
{
    uint64_t words = data_bytes / sizeof(uint64_t);
    if (!is_valid(depth, words, mtu) || data_bytes % sizeof(uint64_t) != 0)
        return -EINVAL;
    int fd = open_memory(footprint(depth, words));
    if (fd < 0)
        return fd;
    struct mcache *mcache = new_mcache(fd);
    if (mcache == NULL)
        return -ENOMEM;
    int error = map(mcache, footprint(depth, words), true);
    if (error == 0) {
        format(mcache->header, depth, words, mtu);
        error = adopt(mcache);
    }
    return finish(mcache, error, out);
}

/* The size of the file, if it cannot shrink under our feet. */
static int check_file(int fd, size_t *size)
{
    struct stat info;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK))
        return -EPERM;
    if (fstat(fd, &info) != 0)
        return -errno;
    *size = (size_t)info.st_size;
    return *size < sizeof(struct mcache_header) ? -EPROTO : 0;
}

/* Where to go on. The last producer may have died between the stamp of a line and the count of it. */
static void take_place(struct mcache *mcache)
{
    mcache->next = atomic_load_explicit(&mcache->header->next, memory_order_acquire);
    mcache->reserved = atomic_load_explicit(&mcache->header->reserved, memory_order_acquire);
    const struct mcache_line *line = &mcache->lines[mcache->next & mcache->line_mask];
    if (atomic_load_explicit(&line->stamp, memory_order_acquire) == mcache->next)
        mcache->next++;
}

int mcache_join(struct mcache **out, int fd, bool produce)
{
    size_t size = 0;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        return -errno;
    struct mcache *mcache = new_mcache(own);
    if (mcache == NULL)
        return -ENOMEM;
    int error = check_file(own, &size);
    if (error == 0)
        error = map(mcache, size, produce);
    if (error == 0)
        error = adopt(mcache);
    if (error == 0)
        take_place(mcache);
    return finish(mcache, error, out);
}

int mcache_fd(const struct mcache *mcache)
{
    return mcache->fd;
}

uint32_t mcache_mtu(const struct mcache *mcache)
{
    return mcache->mtu;
}

void mcache_leave(struct mcache *mcache)
{
    if (mcache->header != NULL)
        munmap(mcache->header, mcache->size);
    close(mcache->fd);
    free(mcache);
}
