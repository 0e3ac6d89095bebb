/* A load generator and its sink: the far ends of many calls, which send RTP and count what comes back.
 *
 *   load INTERFACE SINK.o NODE_ADDRESS LEGS INTERVAL_US STAMP TRACE...
 *
 * LEGS is a file of lines "port trace payload_type step": where leg k (from 0) sends, which TRACE it speaks,
 * and the timestamp units of a packet. Leg k sends from port SINK_FIRST_PORT + 2k, and a sender report every
 * five seconds from the port above it to the port above `port`. A TRACE is a file of payloads, each after its
 * length (16 bit, native order); every leg begins at a place of its own and goes round. STAMP 1 writes the
 * time into each payload, for the sink to measure latency.
 *
 * Every leg sends once in INTERVAL_US; the legs follow each other in a shuffled, fixed order at even distances.
 * Between packets the program sleeps: what it costs is sending.
 *
 * Reads commands from standard input and answers each with one line of JSON:
 *   send N   send N packets from every leg, then answer what was sent and how well the clock was kept
 *   count    what the sink has counted since the last `count` */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <err.h>
#include <errno.h>
#include <linux/types.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sink.h"

enum { HEADER = 12, PAYLOAD_MAX = 1400, NAP_NS = 100 * 1000 };
static const int64_t SECOND_NS = 1000000000, REPORT_NS = 5000000000;

struct trace {
    size_t count;
    struct payload {
        uint16_t len;
        const uint8_t *data;
    } *payloads;
};

struct leg {
    int rtp, rtcp;
    const struct trace *trace;
    size_t place; /* of the next payload in the trace */
    uint32_t ssrc, timestamp, step, packets, octets;
    uint16_t seq;
    uint8_t payload_type;
};

static struct leg legs[SINK_LEGS];
static size_t order[SINK_LEGS], leg_count;
static uint64_t turn; /* packets that were due since the start */
static uint64_t random_state = 88172645463325252u;
static uint64_t refused;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static uint32_t next_random(void) /* xorshift64 */
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 16);
}

/* ---- set-up ---- */

static struct trace read_trace(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        err(1, "%s", path);
    struct trace trace = {0};
    for (uint16_t len; fread(&len, sizeof len, 1, file) == 1; trace.count++) {
        uint8_t *data = malloc(PAYLOAD_MAX);
        if (len > PAYLOAD_MAX || data == NULL || fread(data, 1, len, file) != len)
            errx(1, "%s: bad trace", path);
        trace.payloads = reallocarray(trace.payloads, trace.count + 1, sizeof *trace.payloads);
        trace.payloads[trace.count] = (struct payload){len, data};
    }
    if (trace.count == 0)
        errx(1, "%s: empty trace", path);
    fclose(file);
    return trace;
}

static int open_socket(uint16_t local, struct in_addr node, uint16_t remote)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(local)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(remote), .sin_addr = node};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        err(1, "port %u", local);
    return fd;
}

static void open_legs(const char *path, const char *address, const struct trace *traces)
{
    struct in_addr node;
    FILE *file = fopen(path, "r");
    if (file == NULL || inet_pton(AF_INET, address, &node) != 1)
        err(1, "%s, %s", path, address);
    unsigned port, trace, payload_type, step;
    while (leg_count < SINK_LEGS && fscanf(file, "%u %u %u %u", &port, &trace, &payload_type, &step) == 4) {
        uint16_t local = (uint16_t)(SINK_FIRST_PORT + 2 * leg_count);
        legs[leg_count] = (struct leg){
            .rtp = open_socket(local, node, (uint16_t)port),
            .rtcp = open_socket(local + 1, node, (uint16_t)(port + 1)),
            .trace = &traces[trace],
            .place = next_random() % traces[trace].count,
            .ssrc = next_random(),
            .timestamp = next_random(),
            .step = step,
            .seq = (uint16_t)next_random(),
            .payload_type = (uint8_t)payload_type,
        };
        size_t other = next_random() % (leg_count + 1);
        order[leg_count] = order[other];
        order[other] = leg_count++;
    }
    fclose(file);
}

static struct sink_counts *attach_sink(const char *interface, const char *path, bool stamp)
{
    struct bpf_object *object = bpf_object__open_file(path, NULL);
    if (object == NULL)
        err(1, "%s", path);
    uint32_t stamped = stamp;
    bpf_map__set_initial_value(bpf_object__find_map_by_name(object, ".rodata"), &stamped, sizeof stamped);
    if (bpf_object__load(object) != 0)
        err(1, "load %s", path);
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(interface), .attach_point = BPF_TC_INGRESS);
    LIBBPF_OPTS(bpf_tc_opts, options,
                .prog_fd = bpf_program__fd(bpf_object__find_program_by_name(object, "sink")));
    if (bpf_tc_hook_create(&hook) != 0 || bpf_tc_attach(&hook, &options) != 0)
        err(1, "attach the sink to %s", interface);
    int map = bpf_object__find_map_fd_by_name(object, "counts");
    void *counts = mmap(NULL, sizeof(struct sink_counts), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
    if (counts == MAP_FAILED)
        err(1, "map the counts");
    return counts;
}

/* ---- sending ---- */

static void put32(uint8_t *to, uint32_t value)
{
    uint32_t network = htonl(value);
    memcpy(to, &network, sizeof network);
}

static void send_packet(struct leg *leg, bool stamp)
{
    const struct payload *payload = &leg->trace->payloads[leg->place++ % leg->trace->count];
    uint8_t packet[HEADER + PAYLOAD_MAX] = {0x80, leg->payload_type, (uint8_t)(leg->seq >> 8),
                                            (uint8_t)leg->seq};
    put32(packet + 4, leg->timestamp);
    put32(packet + 8, leg->ssrc);
    memcpy(packet + HEADER, payload->data, payload->len);
    if (stamp) {
        int64_t now = now_ns();
        memcpy(packet + HEADER, &now, sizeof now);
    }
    if (send(leg->rtp, packet, HEADER + payload->len, 0) < 0)
        refused++;
    leg->seq++;
    leg->timestamp += leg->step;
    leg->packets++;
    leg->octets += payload->len;
}

/* A sender report and a CNAME (RFC 3550 sections 6.4.1 and 6.5). */
static void send_report(const struct leg *leg)
{
    uint8_t packet[] = {[0] = 0x80, [1] = 200, [3] = 6,  [28] = 0x81, [29] = 202, [31] = 3,
                        [36] = 1,   [37] = 4,  [38] = 'l', [39] = 'o', [40] = 'a', [41] = 'd', [43] = 0};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    put32(packet + 4, leg->ssrc);
    put32(packet + 8, (uint32_t)(now.tv_sec + 2208988800));
    put32(packet + 12, (uint32_t)((now.tv_nsec << 32) / SECOND_NS));
    put32(packet + 16, leg->timestamp);
    put32(packet + 20, leg->packets);
    put32(packet + 24, leg->octets);
    put32(packet + 32, leg->ssrc);
    (void)!send(leg->rtcp, packet, sizeof packet, 0);
}

static void nap(int64_t until_ns)
{
    struct timespec until = {.tv_sec = until_ns / SECOND_NS, .tv_nsec = until_ns % SECOND_NS};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        continue;
}

static void send_all(uint64_t each, int64_t interval_ns, bool stamp)
{
    uint64_t due = each * leg_count, between_reports = (uint64_t)(REPORT_NS / interval_ns);
    int64_t start = now_ns(), latest = 0;
    refused = 0;
    for (uint64_t i = 0; i < due;) {
        int64_t now = now_ns(), when = start + (int64_t)i * interval_ns / (int64_t)leg_count;
        if (when > now) {
            nap(when > now + NAP_NS ? when : now + NAP_NS);
            continue;
        }
        latest = now - when > latest ? now - when : latest;
        struct leg *leg = &legs[order[turn % leg_count]];
        send_packet(leg, stamp);
        if (leg->packets % between_reports == (uint64_t)(leg - legs) % between_reports)
            send_report(leg);
        i++;
        turn++;
    }
    double took = (double)(now_ns() - start) / 1e9;
    printf("{\"sent\": %llu, \"refused\": %llu, \"seconds\": %f, \"latest_us\": %lld}\n",
           (unsigned long long)due, (unsigned long long)refused, took, (long long)latest / 1000);
}

/* ---- counting ---- */

static double latency_us(const struct sink_counts *counts, uint64_t total, double share)
{
    uint64_t below = 0;
    for (int i = 0; i < SINK_BUCKETS; i++) {
        below += counts->latency[i];
        if (total > 0 && (double)below >= share * (double)total)
            return (i + 1) * (SINK_BUCKET_NS / 1e3);
    }
    return 0;
}

static void forget(struct sink_counts *counts)
{
    memset(counts->latency, 0, sizeof counts->latency);
    counts->rtcp = counts->elsewhere = 0;
    for (size_t i = 0; i < SINK_LEGS; i++)
        counts->legs[i] = (struct sink_leg){.next = counts->legs[i].packets > 0 ? counts->legs[i].next : SINK_UNKNOWN};
}

static void print_counts(struct sink_counts *counts)
{
    uint64_t rtp = 0, skips = 0, silent = 0, stamped = 0;
    for (size_t i = 0; i < leg_count; i++) {
        rtp += counts->legs[i].packets;
        skips += counts->legs[i].skips;
        silent += counts->legs[i].packets == 0;
    }
    for (int i = 0; i < SINK_BUCKETS; i++)
        stamped += counts->latency[i];
    printf("{\"rtp\": %llu, \"rtcp\": %llu, \"elsewhere\": %llu, \"skips\": %llu, \"silent\": %llu, "
           "\"p50_us\": %.0f, \"p99_us\": %.0f}\n",
           (unsigned long long)rtp, (unsigned long long)counts->rtcp, (unsigned long long)counts->elsewhere,
           (unsigned long long)skips, (unsigned long long)silent, latency_us(counts, stamped, 0.5),
           latency_us(counts, stamped, 0.99));
    forget(counts);
}

int main(int argc, char **argv)
{
    if (argc < 8)
        errx(2, "usage: load INTERFACE SINK.o NODE_ADDRESS LEGS INTERVAL_US STAMP TRACE...");
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    struct trace traces[8];
    for (int i = 7; i < argc && i < 15; i++)
        traces[i - 7] = read_trace(argv[i]);
    int64_t interval_ns = atoll(argv[5]) * 1000;
    bool stamp = strcmp(argv[6], "1") == 0;
    open_legs(argv[4], argv[3], traces);
    struct sink_counts *counts = attach_sink(argv[1], argv[2], stamp);
    forget(counts);
    char line[64];
    for (setlinebuf(stdout); fgets(line, sizeof line, stdin) != NULL;) {
        if (strncmp(line, "send ", 5) == 0)
            send_all(strtoull(line + 5, NULL, 10), interval_ns, stamp);
        else
            print_counts(counts);
    }
    return 0;
}
