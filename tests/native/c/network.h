/* Two network namespaces and a veth pair between them, for one test program: "near", where the program is,
 * and "far". They have no names and go when it ends. A program that may not make them is skipped. */
#ifndef NETWORK_H
#define NETWORK_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "media.h"
#include "udp.h"

#define NEAR_IP "10.77.0.1"
#define FAR_IP "10.77.0.2"
#define NEAR_IPV6 "fd77::1"
#define FAR_IPV6 "fd77::2"
#define NEAR_MAC "02:00:00:00:77:01"
#define FAR_MAC "02:00:00:00:77:02"

enum { SKIPPED = 77 };

static int near_namespace, far_namespace;

/* Leave: this machine cannot do what the test is about. */
static inline _Noreturn void skip(const char *why)
{
    fprintf(stderr, "%s: %s\n", why, strerror(errno));
    exit(SKIPPED);
}

static inline void enter(int namespace)
{
    CHECK(setns(namespace, CLONE_NEWNET) == 0);
}

/* Run a shell command in the namespace where we are. */
__attribute__((format(printf, 1, 2))) static inline void run(const char *format, ...)
{
    char command[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    if (system(command) != 0) {
        fprintf(stderr, "failed: %s\n", command);
        exit(1);
    }
}

static inline int new_namespace(void)
{
    if (unshare(CLONE_NEWNET) != 0)
        skip("no network namespace");
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    run("ip link set lo up");
    return fd;
}

static inline void configure_link(const char *name, const char *ip, const char *ipv6)
{
    run("ip addr add %s/24 dev %s", ip, name);
    run("ip addr add %s/64 dev %s nodad", ipv6, name);
    run("ip link set %s up", name);
}

static inline void open_network(void)
{
    far_namespace = new_namespace();
    near_namespace = new_namespace();
    run("ip link add near address " NEAR_MAC " type veth peer name far address " FAR_MAC);
    run("ip link set far netns /proc/%d/fd/%d", getpid(), far_namespace);
    configure_link("near", NEAR_IP, NEAR_IPV6);
    enter(far_namespace);
    configure_link("far", FAR_IP, FAR_IPV6);
    enter(near_namespace);
}

/* An address and port as the core writes them. */
static inline struct endpoint endpoint_of(const char *ip, uint16_t port)
{
    struct endpoint made = {.ip = {[10] = 0xff, [11] = 0xff}, .port = port};
    if (inet_pton(AF_INET, ip, made.ip + 12) != 1)
        CHECK(inet_pton(AF_INET6, ip, made.ip) == 1);
    return made;
}

/* A UDP socket at that address in a namespace; we stay, or come back to, near. */
static inline int bound(int namespace, const struct endpoint *at)
{
    enter(namespace);
    int fd = udp_open(at, at->port, 1 << 20);
    CHECK(fd >= 0);
    enter(near_namespace);
    return fd;
}

/* Wait a moment for something that comes by itself; false when that has taken half a minute. */
static inline bool patience(int *waited)
{
    usleep(2000);
    return ++*waited < 15000;
}

#endif
