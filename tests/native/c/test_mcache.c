/* One producer, many readers: threads under the thread sanitizer, processes by fork, and memory that lies. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#include "check.h"
#include "mcache.h"

enum { DEPTH = 64, DATA = 64 * 1024, MTU = 700, TOTAL = 50000, READERS = 3, BATCH = 16 };

static struct mcache_fragment fragments[BATCH];
static uint8_t data[BATCH * (MTU + 8)];
static uint64_t lost;

static size_t length_of(uint64_t number)
{
    return number * 31 % (MTU + 1);
}

/* Every byte, the length, tag and kind follow from the number. */
static void write_number(struct mcache *mcache, uint64_t number)
{
    uint8_t bytes[MTU];
    memset(bytes, (int)(number & 0xff), sizeof bytes);
    CHECK(mcache_write(mcache, ~number, (uint32_t)number * 7, bytes, length_of(number)) == 0);
}

static size_t check_fragment(const struct mcache_fragment *fragment, const uint8_t *bytes)
{
    CHECK(fragment->tag == ~fragment->number && fragment->kind == (uint32_t)fragment->number * 7);
    CHECK(fragment->len == length_of(fragment->number));
    for (size_t i = 0; i < fragment->len; i++)
        CHECK(bytes[i] == (fragment->number & 0xff));
    return (fragment->len + 7u) / 8 * 8;
}

static struct mcache *create(uint32_t depth, uint64_t data_bytes, uint32_t mtu)
{
    struct mcache *made;
    CHECK(mcache_create(&made, depth, data_bytes, mtu) == 0);
    return made;
}

static struct mcache *join(const struct mcache *mcache, bool produce)
{
    struct mcache *made;
    CHECK(mcache_join(&made, mcache_fd(mcache), produce) == 0);
    return made;
}

/* Read what is there, at most one batch; returns how many, the first of which is `first`. */
static size_t read_from(struct mcache *reader, uint64_t first)
{
    size_t count = mcache_read(reader, fragments, BATCH, data, sizeof data, &lost), at = 0;
    for (size_t i = 0; i < count; i++) {
        CHECK(fragments[i].number == first + i);
        at += check_fragment(&fragments[i], data + at);
    }
    return count;
}

static void test_what_is_written_is_read_in_order(void)
{
    struct mcache *producer = create(DEPTH, DATA, MTU), *reader = join(producer, false);
    CHECK(mcache_mtu(reader) == MTU);
    CHECK(read_from(reader, 0) == 0);
    for (uint64_t number = 0; number < 1000; number++) {
        write_number(producer, number);
        if (number % 5 == 4)
            CHECK(read_from(reader, number - 4) == 5);
    }
    CHECK(lost == 0);
    struct mcache *late = join(producer, false);
    CHECK(read_from(late, 0) == 0);
    write_number(producer, 1000);
    CHECK(read_from(late, 1000) == 1 && read_from(reader, 1000) == 1);
    mcache_leave(late);
    mcache_leave(reader);
    mcache_leave(producer);
}

static void test_a_slow_reader_is_told_what_it_lost(void)
{
    struct mcache *producer = create(DEPTH, DATA, MTU), *reader = join(producer, false);
    for (uint64_t number = 0; number < DEPTH; number++)
        write_number(producer, number);
    CHECK(read_from(reader, 0) == BATCH && lost == 0);
    for (uint64_t number = DEPTH; number < DEPTH + BATCH; number++)
        write_number(producer, number);
    CHECK(read_from(reader, BATCH) == BATCH && lost == 0);
    for (uint64_t number = DEPTH + BATCH; number < 3 * DEPTH; number++)
        write_number(producer, number);
    CHECK(read_from(reader, 3 * DEPTH - DEPTH / 2) == BATCH);
    CHECK(lost == 3 * DEPTH - DEPTH / 2 - 2 * BATCH);
    mcache_leave(reader);
    mcache_leave(producer);
}

static void test_bytes_can_be_overwritten_before_their_line(void)
{
    struct mcache *producer = create(DEPTH, 1024, 512), *reader = join(producer, false);
    uint8_t bytes[512] = {0};
    for (int i = 0; i < 5; i++)
        CHECK(mcache_write(producer, 0, 0, bytes, 300) == 0);
    CHECK(mcache_read(reader, fragments, BATCH, data, sizeof data, &lost) == 3);
    CHECK(fragments[0].number == 2 && lost == 2);
    mcache_leave(reader);
    mcache_leave(producer);
}

static void test_batches_end_where_the_room_does(void)
{
    struct mcache *producer = create(DEPTH, DATA, MTU), *reader = join(producer, false);
    for (uint64_t number = 0; number < 9; number++)
        write_number(producer, number);
    CHECK(mcache_read(reader, fragments, BATCH, data, MTU - 1, &lost) == 0);
    CHECK(mcache_read(reader, fragments, 3, data, sizeof data, &lost) == 3);
    CHECK(mcache_read(reader, fragments, BATCH, data, MTU, &lost) == 1 && fragments[0].number == 3);
    CHECK(read_from(reader, 4) == 5);
    mcache_leave(reader);
    mcache_leave(producer);
}

static void test_what_cannot_be_is_refused(void)
{
    struct mcache *made, *producer = create(DEPTH, DATA, MTU);
    uint8_t bytes[MTU + 1] = {0};
    CHECK(mcache_write(producer, 0, 0, bytes, MTU + 1) == -EMSGSIZE);
    static const struct {
        uint32_t depth;
        uint64_t data_bytes;
        uint32_t mtu;
    } bad[] = {{0, DATA, MTU}, {1, DATA, MTU}, {48, DATA, MTU}, {DEPTH, 0, 1}, {DEPTH, 4, 1}, {DEPTH, 48, 1},
               {DEPTH, DATA, 0}, {DEPTH, 512, 513}, {1u << 25, DATA, MTU}, {DEPTH, 1ull << 33, MTU}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(mcache_create(&made, bad[i].depth, bad[i].data_bytes, bad[i].mtu) == -EINVAL);
    mcache_leave(producer);
}

/* A file of this content that cannot shrink. */
static int sealed(const void *content, size_t len)
{
    int fd = memfd_create("bad", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(write(fd, content, len) == (ssize_t)len);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
    return fd;
}

static void test_what_is_no_mcache_is_not_joined(void)
{
    struct mcache *made, *producer = create(DEPTH, DATA, MTU);
    struct mcache_header header = *producer->header;
    struct mcache_header bad[6] = {header, header, header, header, header, header};
    bad[0].magic++;
    bad[1].version++;
    bad[2].depth = 3;
    bad[3].words *= 2;
    bad[4].mtu = 0;
    for (size_t i = 0; i < 6; i++) { /* the last one is right but for its length */
        int fd = sealed(&bad[i], sizeof header);
        CHECK(mcache_join(&made, fd, false) == -EPROTO);
        close(fd);
    }
    int empty = sealed("", 0), shrinks = memfd_create("bad", MFD_CLOEXEC), ends[2];
    CHECK(pipe(ends) == 0);
    CHECK(mcache_join(&made, empty, false) == -EPROTO);
    CHECK(mcache_join(&made, shrinks, false) == -EPERM);
    CHECK(mcache_join(&made, ends[0], false) == -EPERM);
    close(ends[0]);
    CHECK(mcache_join(&made, ends[0], false) == -EBADF);
    close(ends[1]);
    close(shrinks);
    close(empty);
    mcache_leave(producer);
}

/* Count what came until the last number; a reader that was overrun at the end is content. */
static void *watch(void *argument)
{
    struct mcache *reader = argument;
    struct mcache_fragment got[BATCH];
    uint8_t bytes[BATCH * (MTU + 8)];
    uint64_t missed = 0, seen = 0, next = 0;
    while (next < TOTAL) {
        size_t count = mcache_read(reader, got, BATCH, bytes, sizeof bytes, &missed), at = 0;
        for (size_t i = 0; i < count; i++) {
            CHECK(got[i].number >= next);
            next = got[i].number + 1;
            at += check_fragment(&got[i], bytes + at);
        }
        seen += count;
        if (count == 0)
            sched_yield();
    }
    CHECK(seen + missed == TOTAL);
    CHECK(seen > 0);
    return NULL;
}

static void write_all(struct mcache *producer)
{
    for (uint64_t number = 0; number < TOTAL; number++) {
        write_number(producer, number);
        if (number % 512 == 0)
            sched_yield();
    }
}

static void test_threads(void)
{
    struct mcache *producer = create(DEPTH, DATA / 4, MTU), *readers[READERS];
    pthread_t threads[READERS];
    for (size_t i = 0; i < READERS; i++) {
        readers[i] = join(producer, false);
        CHECK(pthread_create(&threads[i], NULL, watch, readers[i]) == 0);
    }
    write_all(producer);
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        mcache_leave(readers[i]);
    }
    mcache_leave(producer);
}

static void test_processes(void)
{
    struct mcache *producer = create(DEPTH, DATA / 4, MTU);
    pid_t children[READERS];
    int status, ready[2];
    CHECK(pipe(ready) == 0);
    for (size_t i = 0; i < READERS; i++) {
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] == 0) {
            struct mcache *reader = join(producer, false);
            CHECK(write(ready[1], "", 1) == 1);
            watch(reader);
            _exit(0);
        }
    }
    for (size_t i = 0; i < READERS; i++)
        CHECK(read(ready[0], &status, 1) == 1);
    write_all(producer);
    for (size_t i = 0; i < READERS; i++)
        CHECK(waitpid(children[i], &status, 0) == children[i] && status == 0);
    close(ready[0]);
    close(ready[1]);
    mcache_leave(producer);
}

/* One died in mid-write, one between the stamp and the count: the next goes on, and nothing is read twice. */
static void test_a_producer_that_died_is_replaced(void)
{
    struct mcache *dead = create(DEPTH, DATA, MTU), *reader = join(dead, false);
    write_number(dead, 0);
    atomic_store(&dead->lines[1].stamp, 0);
    atomic_store(&dead->header->reserved, dead->reserved + 5);
    struct mcache *next = join(dead, true);
    CHECK(read_from(reader, 0) == 1);
    write_number(next, 1);
    CHECK(read_from(reader, 1) == 1);
    atomic_store(&next->header->next, 1);
    mcache_leave(dead);
    dead = join(next, true);
    write_number(dead, 2);
    CHECK(read_from(reader, 2) == 1 && lost == 0);
    mcache_leave(next);
    mcache_leave(dead);
    mcache_leave(reader);
}

static void test_memory_that_lies_harms_nobody(void)
{
    struct mcache *liar = create(DEPTH, DATA, MTU);
    uint64_t seed = 5;
    for (int round = 0; round < 300; round++) {
        struct mcache *reader = join(liar, false);
        uint64_t *words = (uint64_t *)liar->lines;
        for (size_t i = 0; i < DEPTH * sizeof(struct mcache_line) / 8; i++) {
            words[i] = random32(&seed) % 3 == 0 ? random32(&seed) : random32(&seed) % 200;
            if (random32(&seed) % 8 == 0)
                words[i] = ~words[i];
        }
        atomic_store(&liar->header->next, random32(&seed) % 2 == 0 ? random32(&seed) : 7u - DEPTH);
        atomic_store(&liar->header->reserved, random32(&seed) % 300);
        for (int i = 0; i < 8; i++)
            CHECK(mcache_read(reader, fragments, BATCH, data, sizeof data, &lost) <= BATCH);
        mcache_leave(reader);
    }
    mcache_leave(liar);
}

int main(void)
{
    test_what_is_written_is_read_in_order();
    test_a_slow_reader_is_told_what_it_lost();
    test_bytes_can_be_overwritten_before_their_line();
    test_batches_end_where_the_room_does();
    test_what_cannot_be_is_refused();
    test_what_is_no_mcache_is_not_joined();
    test_threads();
    test_processes();
    test_a_producer_that_died_is_replaced();
    test_memory_that_lies_harms_nobody();
    return 0;
}
