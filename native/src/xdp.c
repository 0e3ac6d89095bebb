#ifdef HAVE_BPF

#include "xdp.h"

#include <errno.h>
#include <linux/if_link.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "udp.h"
#include "xdp.bpf.h"
#include "xdp_program.h"

enum { RECALL_TRIES = 1000 }; /* some microseconds: as long as the program takes for a packet, and more */

_Static_assert(sizeof(struct xdp_port) % 8 == 0, "the kernel gives every entry a multiple of eight bytes");

struct xdp {
    struct bpf_object *object;
    int sockets; /* maps; the object owns them */
    int link;
    enum xdp_mode mode;
    uint16_t first;
    struct xdp_port *ports;
    size_t ports_size;
    struct ring_buffer *notes;
    xdp_noted *noted; /* during xdp_notes, with ... */
    void *context;
};

/* Constants and sizes, which the kernel must know when it checks the program. */
static int configure(struct bpf_object *object, const struct xdp_settings *settings, unsigned ports,
                     unsigned queues)
{
    struct bpf_map *constants = bpf_object__find_map_by_name(object, ".rodata");
    int error = bpf_map__set_initial_value(constants, settings, sizeof *settings);
    if (error == 0)
        error = bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "ports"), ports);
    if (error == 0)
        error = bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "sockets"), queues);
    return error;
}

static int map_ports(struct xdp *xdp, unsigned ports)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int fd = bpf_object__find_map_fd_by_name(xdp->object, "ports");
    xdp->ports_size = (ports * sizeof *xdp->ports + page - 1) / page * page;
    void *memory = mmap(NULL, xdp->ports_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    xdp->ports = memory;
    return 0;
}

static int take_note(void *context, void *data, size_t len)
{
    struct xdp *xdp = context;
    const struct xdp_note *note = data;
    (void)len;
    const struct forwarded packet = {
        .at_us = (int64_t)(note->at_ns / 1000),
        .numbers = {.timestamp = note->timestamp, .seq = note->seq},
        .len = note->len,
    };
    xdp->noted(xdp->context, (uint16_t)(xdp->first + 2 * note->port), &packet);
    return 0;
}

static int map_notes(struct xdp *xdp)
{
    int fd = bpf_object__find_map_fd_by_name(xdp->object, "notes");
    xdp->notes = ring_buffer__new(fd, take_note, xdp, NULL);
    return xdp->notes == NULL ? -errno : 0;
}

static int attach(struct xdp *xdp, unsigned interface, enum xdp_mode mode)
{
    struct bpf_program *program = bpf_object__find_program_by_name(xdp->object, "clutch_media");
    LIBBPF_OPTS(bpf_link_create_opts, options,
                .flags = mode == XDP_MODE_DRIVER ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
    xdp->link = bpf_link_create(bpf_program__fd(program), (int)interface, BPF_XDP, &options);
    xdp->mode = mode;
    return xdp->link < 0 ? xdp->link : 0;
}

static int attach_as(struct xdp *xdp, unsigned interface, enum xdp_mode mode)
{
    int error = attach(xdp, interface, mode == XDP_MODE_GENERIC ? mode : XDP_MODE_DRIVER);
    if (error != 0 && error != -EBUSY && mode == XDP_MODE_AUTO)
        error = attach(xdp, interface, XDP_MODE_GENERIC);
    return error;
}

static int silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
    (void)level, (void)format, (void)arguments;
    return 0;
}

int xdp_open(struct xdp **out, unsigned interface, const uint8_t mac[FRAME_MAC], const struct endpoint *local,
             uint16_t first, uint16_t last, unsigned queues, enum xdp_mode mode)
{
    struct xdp_settings settings = {.first_port = first, .ipv6 = udp_is_ipv6(local)};
    unsigned ports = ((unsigned)last - first) / 2 + 1;
    memcpy(settings.ip, local->ip, sizeof settings.ip);
    memcpy(settings.mac, mac, sizeof settings.mac);
    struct xdp *xdp = calloc(1, sizeof *xdp);
    if (xdp == NULL)
        return -ENOMEM;
    libbpf_set_print(silent);
    xdp->first = first;
    xdp->link = -1;
    xdp->object = bpf_object__open_mem(xdp_bpf, sizeof xdp_bpf, NULL);
    int error = xdp->object == NULL ? -errno : configure(xdp->object, &settings, ports, queues);
    if (error == 0)
        error = bpf_object__load(xdp->object);
    if (error == 0)
        error = map_ports(xdp, ports);
    if (error == 0)
        error = map_notes(xdp);
    if (error == 0)
        error = attach_as(xdp, interface, mode);
    if (error != 0) {
        xdp_close(xdp);
        return error;
    }
    xdp->sockets = bpf_object__find_map_fd_by_name(xdp->object, "sockets");
    *out = xdp;
    return 0;
}

void xdp_close(struct xdp *xdp)
{
    if (xdp->link >= 0)
        close(xdp->link);
    ring_buffer__free(xdp->notes);
    if (xdp->ports != NULL)
        munmap(xdp->ports, xdp->ports_size);
    bpf_object__close(xdp->object);
    free(xdp);
}

enum xdp_mode xdp_mode(const struct xdp *xdp)
{
    return xdp->mode;
}

int xdp_add_socket(struct xdp *xdp, unsigned queue, int fd)
{
    return bpf_map_update_elem(xdp->sockets, &queue, &fd, BPF_ANY);
}

/* ---- ports ---- */

static struct xdp_port *entry_of(const struct xdp *xdp, uint16_t port)
{
    return &xdp->ports[(port - xdp->first) / 2];
}

static _Atomic uint32_t *state_of(const struct xdp *xdp, uint16_t port)
{
    return (_Atomic uint32_t *)&entry_of(xdp, port)->state;
}

/* The program is busy with one packet; if that takes longer, its processor was stopped. It then finds that
 * the entry is no longer its own. */
static void set(struct xdp *xdp, uint16_t port, uint32_t state)
{
    _Atomic uint32_t *word = state_of(xdp, port);
    uint32_t found = XDP_PORT_BUSY;
    for (int tries = 0; tries < RECALL_TRIES && found == XDP_PORT_BUSY; tries++) {
        found = XDP_PORT_FORWARD;
        if (atomic_compare_exchange_strong(word, &found, state))
            return;
    }
    atomic_store(word, state);
}

void xdp_take(struct xdp *xdp, uint16_t port)
{
    set(xdp, port, XDP_PORT_TAKE);
}

void xdp_pass(struct xdp *xdp, uint16_t port)
{
    set(xdp, port, XDP_PORT_PASS);
}

void xdp_forward(struct xdp *xdp, uint16_t port, const struct forward *forward, uint16_t new_from,
                 const uint8_t mac[FRAME_MAC])
{
    struct xdp_port *entry = entry_of(xdp, port);
    struct xdp_port made = {
        .state = XDP_PORT_TAKE,
        .ssrc = forward->ssrc,
        .new_ssrc = forward->new_ssrc,
        .timestamp = forward->newest.timestamp,
        .timestamp_offset = forward->offset.timestamp,
        .timestamp_most = forward->clock_hz / 2,
        .at_ns = (uint64_t)forward->newest_us * 1000,
        .seq = forward->newest.seq,
        .seq_offset = forward->offset.seq,
        .payload_type = forward->payload_type,
        .new_payload_type = forward->new_payload_type,
        .from_port = htons(forward->from.port),
        .to_port = htons(forward->to.port),
        .new_from_port = htons(new_from),
    };
    memcpy(made.to_mac, mac, sizeof made.to_mac);
    memcpy(made.from_ip, forward->from.ip, sizeof made.from_ip);
    memcpy(made.to_ip, forward->to.ip, sizeof made.to_ip);
    *entry = made;
    atomic_store(state_of(xdp, port), XDP_PORT_FORWARD);
}

bool xdp_is_forwarding(const struct xdp *xdp, uint16_t port)
{
    uint32_t state = atomic_load(state_of(xdp, port));
    return state == XDP_PORT_FORWARD || state == XDP_PORT_BUSY;
}

void xdp_notes(struct xdp *xdp, xdp_noted *noted, void *context)
{
    xdp->noted = noted;
    xdp->context = context;
    ring_buffer__consume(xdp->notes);
}

#endif
