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

struct xdp {
    struct bpf_object *object;
    int sockets; /* maps; the object owns them */
    int link;
    enum xdp_mode mode;
    uint16_t first;
    uint32_t *ports; /* enum xdp_verdict of each */
    size_t ports_size;
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
    /* The kernel gives every entry of an array a multiple of eight bytes. */
    xdp->ports_size = (ports * sizeof(uint64_t) + page - 1) / page * page;
    void *memory = mmap(NULL, xdp->ports_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    xdp->ports = memory;
    return 0;
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
    unsigned ports = (unsigned)last - first + 1;
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

static void set(struct xdp *xdp, uint16_t port, uint32_t verdict)
{
    _Atomic uint32_t *entry = (_Atomic uint32_t *)(xdp->ports + 2 * (port - xdp->first));
    atomic_store_explicit(entry, verdict, memory_order_relaxed);
}

void xdp_take(struct xdp *xdp, uint16_t port)
{
    set(xdp, port, XDP_PORT_TAKE);
}

void xdp_pass(struct xdp *xdp, uint16_t port)
{
    set(xdp, port, XDP_PORT_PASS);
}

#endif
