#include "steering.h"

#include <errno.h>

#ifdef HAVE_BPF

#include <stdlib.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "steering.bpf.h"

struct steering {
    struct bpf_object *object;
    int program, shards, owners; /* the object owns them */
    uint32_t count;
    bool attached;
};

static int silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
    (void)level, (void)format, (void)arguments;
    return 0;
}

static int load(struct bpf_object *object, uint32_t shards, uint32_t owners)
{
    struct bpf_map *constants = bpf_object__find_map_by_name(object, ".rodata");
    int error = bpf_map__set_initial_value(constants, &shards, sizeof shards);
    if (error == 0)
        error = bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "shards"), shards);
    if (error == 0)
        error = bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "owners"), owners);
    return error == 0 ? bpf_object__load(object) : error;
}

int steering_open(struct steering **out, uint32_t shards, uint32_t owners)
{
    if (shards == 0 || shards > STEERING_SHARDS_MAX || owners == 0)
        return -EINVAL;
    struct steering *steering = calloc(1, sizeof *steering);
    if (steering == NULL)
        return -ENOMEM;
    libbpf_set_print(silent);
    steering->count = shards;
    steering->object = bpf_object__open_mem(steering_bpf, sizeof steering_bpf, NULL);
    int error = steering->object == NULL ? -errno : load(steering->object, shards, owners);
    if (error != 0) {
        steering_close(steering);
        return error;
    }
    struct bpf_program *program = bpf_object__find_program_by_name(steering->object, "clutch_steering");
    steering->program = bpf_program__fd(program);
    steering->shards = bpf_object__find_map_fd_by_name(steering->object, "shards");
    steering->owners = bpf_object__find_map_fd_by_name(steering->object, "owners");
    *out = steering;
    return 0;
}

int steering_add(struct steering *steering, uint32_t shard, int fd)
{
    uint64_t socket = (uint64_t)fd;
    if (shard >= steering->count)
        return -EINVAL;
    if (!steering->attached
        && setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &steering->program,
                      sizeof steering->program) != 0)
        return -errno;
    steering->attached = true;
    return bpf_map_update_elem(steering->shards, &shard, &socket, BPF_ANY);
}

int steering_own(struct steering *steering, uint32_t ssrc, uint32_t shard)
{
    return shard < steering->count ? bpf_map_update_elem(steering->owners, &ssrc, &shard, BPF_ANY) : -EINVAL;
}

int steering_disown(struct steering *steering, uint32_t ssrc)
{
    return bpf_map_delete_elem(steering->owners, &ssrc);
}

void steering_close(struct steering *steering)
{
    bpf_object__close(steering->object);
    free(steering);
}

#else

int steering_open(struct steering **steering, uint32_t shards, uint32_t owners)
{
    (void)steering, (void)shards, (void)owners;
    return -ENOTSUP;
}

int steering_add(struct steering *steering, uint32_t shard, int fd)
{
    (void)steering, (void)shard, (void)fd;
    return -ENOTSUP;
}

int steering_own(struct steering *steering, uint32_t ssrc, uint32_t shard)
{
    (void)steering, (void)ssrc, (void)shard;
    return -ENOTSUP;
}

int steering_disown(struct steering *steering, uint32_t ssrc)
{
    (void)steering, (void)ssrc;
    return -ENOTSUP;
}

void steering_close(struct steering *steering)
{
    (void)steering;
}

#endif
