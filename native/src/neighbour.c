#include "neighbour.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "ring.h"
#include "rtnetlink.h"

enum { QUESTION_RING = 64 * 1024 };

/* An answer: the question's number, whether the MAC address is known, and the address. */
#define ANSWER_NUMBER 49
#define ANSWER_KNOWN 48
#define NUMBERS 0x8000u

static const uint8_t NOWHERE[16];

struct question {
    uint8_t ip[16]; /* NOWHERE: forget the slot */
    uint32_t slot;
    uint32_t number;
};

/* A slot, as the helper sees it. */
struct target {
    uint8_t ip[16];
    uint8_t next_hop[16]; /* NOWHERE: by another way */
    uint32_t number;
    bool due; /* to be asked about */
};

struct neighbours {
    /* fixed */
    unsigned interface;
    struct endpoint local;
    size_t slots;
    int kick;
    pthread_t thread;
    bool running;
    /* shared */
    struct ring questions;
    _Atomic uint64_t *answers;
    atomic_bool stopping;
    /* the reactor's */
    struct question *asked;
    /* the helper's */
    struct target *targets;
    int ask;     /* rtnetlink sockets: ... */
    int changes; /* ... for questions, and for word of changes */
    int64_t refreshed_ms;
    int64_t refresh_ms;
};

/* ---- the reactor ---- */

static bool ask(struct neighbours *neighbours, size_t slot, const uint8_t ip[16])
{
    struct question *question = ring_reserve(&neighbours->questions, sizeof *question, 0);
    if (question == NULL)
        return false;
    struct question *asked = &neighbours->asked[slot];
    memcpy(asked->ip, ip, sizeof asked->ip);
    asked->number = (asked->number + 1) % NUMBERS;
    asked->slot = (uint32_t)slot;
    *question = *asked;
    ring_commit(&neighbours->questions);
    uint64_t one = 1;
    (void)!write(neighbours->kick, &one, sizeof one);
    return true;
}

bool neighbour_find(struct neighbours *neighbours, size_t slot, const struct endpoint *to,
                    uint8_t mac[FRAME_MAC])
{
    const struct question *asked = &neighbours->asked[slot];
    if (memcmp(asked->ip, to->ip, sizeof asked->ip) != 0) {
        ask(neighbours, slot, to->ip); /* the ring may be full: then with the next packet */
        return false;
    }
    /* Relaxed: the word is all that there is to read. */
    uint64_t answer = atomic_load_explicit(&neighbours->answers[slot], memory_order_relaxed);
    if (answer >> ANSWER_KNOWN != ((uint64_t)asked->number << 1 | 1))
        return false;
    for (size_t i = 0; i < FRAME_MAC; i++)
        mac[i] = (uint8_t)(answer >> (40 - 8 * i));
    return true;
}

void neighbour_forget(struct neighbours *neighbours, size_t slot)
{
    if (memcmp(neighbours->asked[slot].ip, NOWHERE, sizeof NOWHERE) != 0)
        ask(neighbours, slot, NOWHERE);
}

/* ---- the helper ---- */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void answer(struct neighbours *neighbours, size_t slot, const uint8_t mac[FRAME_MAC])
{
    uint64_t word = (uint64_t)neighbours->targets[slot].number << ANSWER_NUMBER;
    if (mac != NULL) {
        word |= 1ull << ANSWER_KNOWN;
        for (size_t i = 0; i < FRAME_MAC; i++)
            word |= (uint64_t)mac[i] << (40 - 8 * i);
    }
    atomic_store_explicit(&neighbours->answers[slot], word, memory_order_relaxed);
}

static void resolve(struct neighbours *neighbours, size_t slot)
{
    struct target *target = &neighbours->targets[slot];
    unsigned interface = neighbours->interface;
    uint8_t mac[FRAME_MAC];
    bool stale = false;
    target->due = false;
    if (!rtnetlink_next_hop(neighbours->ask, interface, &neighbours->local, target->ip, target->next_hop)) {
        memset(target->next_hop, 0, sizeof target->next_hop);
        answer(neighbours, slot, NULL);
        return;
    }
    bool known = rtnetlink_neighbour(neighbours->ask, interface, target->next_hop, mac, &stale);
    answer(neighbours, slot, known ? mac : NULL);
    if (stale)
        rtnetlink_use(neighbours->ask, interface, target->next_hop);
}

static void take_questions(struct neighbours *neighbours)
{
    size_t len;
    for (const struct question *question; (question = ring_read(&neighbours->questions, &len)) != NULL;) {
        struct target *target = &neighbours->targets[question->slot];
        memcpy(target->ip, question->ip, sizeof target->ip);
        target->number = question->number;
        target->due = true;
    }
    ring_release(&neighbours->questions);
}

static void take_changes(struct neighbours *neighbours)
{
    struct rtnetlink_change change;
    while (rtnetlink_change(neighbours->changes, &change)) {
        if (!change.neighbour) {
            neighbours->refresh_ms = neighbours->refreshed_ms + NEIGHBOUR_SETTLE_MS;
            continue;
        }
        for (size_t i = 0; change.interface == neighbours->interface && i < neighbours->slots; i++)
            neighbours->targets[i].due |= memcmp(neighbours->targets[i].next_hop, change.ip, 16) == 0;
    }
}

static void resolve_all(struct neighbours *neighbours)
{
    int64_t now = now_ms();
    bool refresh = now >= neighbours->refresh_ms;
    if (refresh) {
        neighbours->refreshed_ms = now;
        neighbours->refresh_ms = now + NEIGHBOUR_REFRESH_MS;
    }
    for (size_t i = 0; i < neighbours->slots; i++)
        if ((refresh || neighbours->targets[i].due) && memcmp(neighbours->targets[i].ip, NOWHERE, 16) != 0)
            resolve(neighbours, i);
}

static void *helper(void *argument)
{
    struct neighbours *neighbours = argument;
    struct pollfd fds[] = {{.fd = neighbours->kick, .events = POLLIN},
                           {.fd = neighbours->changes, .events = POLLIN}};
    while (!atomic_load_explicit(&neighbours->stopping, memory_order_relaxed)) {
        int64_t wait_ms = neighbours->refresh_ms - now_ms();
        uint64_t count;
        if (poll(fds, 2, wait_ms > 0 ? (int)wait_ms : 0) > 0 && fds[0].revents != 0)
            (void)!read(neighbours->kick, &count, sizeof count);
        take_questions(neighbours);
        take_changes(neighbours);
        resolve_all(neighbours);
    }
    return NULL;
}

/* ---- life ---- */

static int start(struct neighbours *neighbours)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&neighbours->thread, NULL, helper, neighbours);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_setname_np(neighbours->thread, "clutch-arp");
    neighbours->running = error == 0;
    return -error;
}

static int open_parts(struct neighbours *neighbours)
{
    neighbours->asked = calloc(neighbours->slots, sizeof *neighbours->asked);
    neighbours->targets = calloc(neighbours->slots, sizeof *neighbours->targets);
    neighbours->answers = calloc(neighbours->slots, sizeof *neighbours->answers);
    if (neighbours->asked == NULL || neighbours->targets == NULL || neighbours->answers == NULL)
        return -ENOMEM;
    int error = ring_open(&neighbours->questions, QUESTION_RING);
    if (error != 0)
        return error;
    neighbours->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (neighbours->kick < 0)
        return -errno;
    neighbours->changes = rtnetlink_open(true);
    if (neighbours->changes < 0)
        return neighbours->changes;
    neighbours->ask = rtnetlink_open(false);
    return neighbours->ask < 0 ? neighbours->ask : start(neighbours);
}

int neighbours_open(struct neighbours **out, unsigned interface, const struct endpoint *local, size_t slots)
{
    struct neighbours *neighbours = aligned_alloc(_Alignof(struct neighbours), sizeof *neighbours);
    if (neighbours == NULL)
        return -ENOMEM;
    memset(neighbours, 0, sizeof *neighbours);
    neighbours->interface = interface;
    neighbours->local = *local;
    neighbours->slots = slots;
    neighbours->kick = neighbours->ask = neighbours->changes = -1;
    neighbours->refreshed_ms = now_ms();
    neighbours->refresh_ms = neighbours->refreshed_ms + NEIGHBOUR_REFRESH_MS;
    int error = open_parts(neighbours);
    if (error != 0) {
        neighbours_close(neighbours);
        return error;
    }
    *out = neighbours;
    return 0;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

void neighbours_close(struct neighbours *neighbours)
{
    if (neighbours->running) {
        uint64_t one = 1;
        atomic_store_explicit(&neighbours->stopping, true, memory_order_relaxed);
        (void)!write(neighbours->kick, &one, sizeof one);
        pthread_join(neighbours->thread, NULL);
    }
    close_fd(neighbours->kick);
    close_fd(neighbours->ask);
    close_fd(neighbours->changes);
    ring_close(&neighbours->questions);
    free(neighbours->asked);
    free(neighbours->targets);
    free((void *)neighbours->answers);
    free(neighbours);
}
