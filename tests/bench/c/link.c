/* A long line between two network namespaces: `link NETNS NETNS DELAY_US LOSS_PPM SEED`.
 *
 * Each end is a TUN device "wan" that the kernel hands whole IP packets to: it has no offloads, so TCP is cut
 * into packets before, and each is delayed, or lost, by itself. Losses are a sequence of the seed, one for each
 * direction: the n-th packet of a direction has the same fate in every run. There is no limit of rate.
 *
 * Says {"ready": true}; answers every line on its standard input with what happened since it began, and ends
 * when that ends. `late_us` is the 99.9th percentile of how much later than it should a packet left; a run in
 * which that is long is no measurement.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { WAITING = 1 << 15, PACKET = 2048, LATE_US = 20000 };

struct packet {
    int64_t due_ns;
    ssize_t size;
    char data[PACKET];
};

struct way {
    int from, to;
    uint64_t random;
    uint64_t passed, lost;
    uint32_t head, tail; /* of a queue of WAITING packets in the order of their time */
    struct packet *queue;
};

static int64_t delay_ns;
static uint64_t loss_ppm;
static uint64_t late[LATE_US]; /* how many packets left so many microseconds late */

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static int open_end(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "/run/netns/%s", name);
    int namespace = open(path, O_RDONLY | O_CLOEXEC);
    if (namespace < 0 || setns(namespace, CLONE_NEWNET))
        err(1, "%s", path);
    close(namespace);
    int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    strcpy(request.ifr_name, "wan");
    if (device < 0 || ioctl(device, TUNSETIFF, &request))
        err(1, "a TUN device in %s", name);
    return device;
}

static void take(struct way *way)
{
    for (;;) {
        struct packet *packet = &way->queue[way->tail % WAITING];
        if (way->tail - way->head == WAITING)
            return; /* the kernel's queue holds the rest */
        packet->size = read(way->from, packet->data, PACKET);
        if (packet->size <= 0)
            return;
        if (next_random(&way->random) % 1000000 < loss_ppm) {
            way->lost++;
            continue;
        }
        packet->due_ns = now_ns() + delay_ns;
        way->tail++;
    }
}

static void give(struct way *way)
{
    for (; way->head != way->tail; way->head++) {
        struct packet *packet = &way->queue[way->head % WAITING];
        int64_t late_us = (now_ns() - packet->due_ns) / 1000;
        if (now_ns() < packet->due_ns)
            return;
        late[late_us < LATE_US ? late_us : LATE_US - 1]++;
        if (write(way->to, packet->data, (size_t)packet->size) == packet->size)
            way->passed++;
    }
}

static int64_t next_due(const struct way *ways)
{
    int64_t due = INT64_MAX;
    for (int i = 0; i < 2; i++)
        if (ways[i].head != ways[i].tail && ways[i].queue[ways[i].head % WAITING].due_ns < due)
            due = ways[i].queue[ways[i].head % WAITING].due_ns;
    return due;
}

static void tell(const struct way *ways)
{
    uint64_t all = 0, seen = 0;
    int percentile = 0;
    for (int i = 0; i < LATE_US; i++)
        all += late[i];
    while (percentile < LATE_US - 1 && (seen += late[percentile]) * 1000 < all * 999)
        percentile++;
    printf("{\"passed\": %lu, \"lost\": %lu, \"late_us\": %d}\n", ways[0].passed + ways[1].passed,
           ways[0].lost + ways[1].lost, percentile);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        errx(2, "usage: link NETNS NETNS DELAY_US LOSS_PPM SEED");
    delay_ns = atoll(argv[3]) * 1000;
    loss_ppm = strtoull(argv[4], NULL, 10);
    int near = open_end(argv[1]), far = open_end(argv[2]);
    uint64_t seed = strtoull(argv[5], NULL, 10);
    struct way ways[2] = {{.from = near, .to = far, .random = seed}, {.from = far, .to = near, .random = ~seed}};
    for (int i = 0; i < 2; i++)
        if (!(ways[i].queue = calloc(WAITING, sizeof *ways[i].queue)))
            err(1, "memory");
    puts("{\"ready\": true}");
    fflush(stdout);
    struct pollfd fds[3] = {{near, POLLIN, 0}, {far, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    for (;;) {
        int64_t wait_ns = next_due(ways) - now_ns();
        wait_ns = wait_ns < 0 ? 0 : wait_ns > 1000000000 ? 1000000000 : wait_ns;
        struct timespec wait = {wait_ns / 1000000000, wait_ns % 1000000000};
        ppoll(fds, 3, &wait, NULL);
        for (int i = 0; i < 2; i++) {
            take(&ways[i]);
            give(&ways[i]);
        }
        char line[64];
        if (fds[2].revents && read(STDIN_FILENO, line, sizeof line) <= 0)
            return 0;
        if (fds[2].revents)
            tell(ways);
    }
}
