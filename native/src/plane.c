#include "plane.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "numa.h"
#include "reactor.h"
#include "room.h"

/* ---- life ---- */

static size_t power_of_two(size_t least)
{
    size_t size = 1;
    while (size < least)
        size *= 2;
    return size;
}

static int open_rings(struct plane *plane)
{
    /* A CLOSE, the end of a recording and a CLOSE_ROOM per port, and what a skip at the end may waste. */
    plane->command_spare = (3 * plane->ports.capacity + 1) * ring_footprint(sizeof(struct command));
    int error = ring_open(&plane->commands, power_of_two(plane->command_spare + PLANE_COMMAND_RING));
    if (error == 0)
        error = ring_open(&plane->frames, PLANE_FRAME_RING);
    if (error == 0)
        error = ring_open(&plane->events, PLANE_EVENT_RING);
    return error;
}

static int open_fds(struct plane *plane)
{
    plane->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    plane->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return plane->kick < 0 || plane->wake < 0 ? -errno : 0;
}

static int open_backend(struct plane *plane, const struct plane_options *options)
{
    const struct backend_kind *kind = backend_find(options->backend);
    int error = kind == NULL ? -ENOTSUP : kind->open(&plane->backend, plane, options);
    if (error == 0) {
        plane->backend->kind = kind;
        plane->backend->plane = plane;
    }
    return error;
}

/* Signals belong to Python's main thread: the reactor is born with all of them blocked. */
static int create_thread(struct plane *plane, const pthread_attr_t *attributes)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&plane->thread, attributes, reactor_main, plane);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

/* -EINVAL if there is no such CPU, or not for us. */
static int create_thread_on(struct plane *plane, int32_t cpu)
{
    if (cpu < 0)
        return create_thread(plane, NULL);
    if (cpu >= CPU_SETSIZE)
        return -EINVAL;
    cpu_set_t only;
    pthread_attr_t attributes;
    CPU_ZERO(&only);
    CPU_SET((size_t)cpu, &only);
    pthread_attr_init(&attributes);
    pthread_attr_setaffinity_np(&attributes, sizeof only, &only);
    int error = create_thread(plane, &attributes);
    pthread_attr_destroy(&attributes);
    return error;
}

static int start_thread(struct plane *plane, int32_t cpu)
{
    int error = create_thread_on(plane, cpu);
    if (error != 0)
        return error;
    pthread_setname_np(plane->thread, "clutch-media");
    while (sem_wait(&plane->started) != 0)
        continue;
    if (plane->start_error != 0)
        pthread_join(plane->thread, NULL);
    return plane->start_error;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void free_plane(struct plane *plane)
{
    if (plane->backend != NULL)
        plane->backend->kind->close(plane->backend);
    close_fd(plane->kick);
    close_fd(plane->wake);
    ring_close(&plane->commands);
    ring_close(&plane->frames);
    ring_close(&plane->events);
    ports_close(&plane->ports);
    sem_destroy(&plane->started);
    if (plane->near)
        numa_restore();
    free(plane);
}

int plane_open(struct plane **out, const struct endpoint *local, uint16_t first_port, uint16_t last_port,
               const struct plane_options *options)
{
    bool near = options->cpu >= 0 && numa_prefer(numa_node(options->cpu));
    struct plane *plane = aligned_alloc(_Alignof(struct plane), sizeof *plane);
    if (plane == NULL) {
        if (near)
            numa_restore();
        return -ENOMEM;
    }
    memset(plane, 0, sizeof *plane);
    plane->near = near;
    plane->kick = plane->wake = -1;
    plane->local = *local;
    plane->quarantine_us = (int64_t)options->quarantine_ms * 1000;
    sem_init(&plane->started, 0, 0);
    int error = ports_open(&plane->ports, first_port, last_port);
    if (error == 0)
        error = open_rings(plane);
    if (error == 0)
        error = open_fds(plane);
    if (error == 0)
        error = open_backend(plane, options);
    if (error == 0)
        error = start_thread(plane, options->cpu);
    if (error != 0) {
        free_plane(plane);
        return error;
    }
    *out = plane;
    return 0;
}

/* Take what the reactor gave back: free what was replaced, keep closed legs for plane_events. */
static void take_returned(struct plane *plane)
{
    struct returned *returned = atomic_exchange_explicit(&plane->returned, NULL, memory_order_acquire);
    while (returned != NULL) {
        struct returned *next = returned->next;
        if (returned->closed != NULL) {
            returned->next = plane->closed;
            plane->closed = returned;
        } else {
            returned->discard(returned);
        }
        returned = next;
    }
}

void plane_close(struct plane *plane)
{
    uint64_t one = 1;
    atomic_store_explicit(&plane->stopping, true, memory_order_release);
    (void)!write(plane->kick, &one, sizeof one);
    pthread_join(plane->thread, NULL);
    take_returned(plane);
    while (plane->newest != NULL)
        leg_release(plane->newest);
    while (plane->newest_room != NULL)
        room_release(plane->newest_room);
    free_plane(plane);
}

/* ---- commands ---- */

struct command *plane_reserve(struct plane *plane, enum command_kind kind, bool last)
{
    size_t spare = last ? 0 : plane->command_spare;
    struct command *command = ring_reserve(&plane->commands, sizeof *command, spare);
    if (command != NULL)
        *command = (struct command){.kind = kind};
    return command;
}

void plane_submit(struct plane *plane)
{
    uint64_t one = 1;
    ring_commit(&plane->commands);
    (void)!write(plane->kick, &one, sizeof one);
}

/* ---- draining ---- */

int plane_wake_fd(const struct plane *plane)
{
    return plane->wake;
}

const char *plane_backend(const struct plane *plane)
{
    return plane->backend->description;
}

size_t plane_free_ports(const struct plane *plane)
{
    return ports_ready(&plane->ports, reactor_now_us());
}

void plane_begin_drain(struct plane *plane)
{
    uint64_t count;
    (void)!read(plane->wake, &count, sizeof count);
    atomic_exchange_explicit(&plane->woken, false, memory_order_acq_rel);
    /* Before the rings are read: whatever a closed leg had to say is then already in them. */
    take_returned(plane);
}

size_t plane_events(struct plane *plane, struct media_event *events, size_t room)
{
    size_t count = 0, len;
    for (const struct media_event *event; count < room && (event = ring_read(&plane->events, &len)) != NULL;)
        events[count++] = *event;
    ring_release(&plane->events);
    for (; count < room && plane->closed != NULL; plane->closed = plane->closed->next)
        events[count++] = (struct media_event){.leg = plane->closed->closed->id, .kind = MEDIA_CLOSED};
    return count;
}

size_t plane_frames(struct plane *plane, struct frame_line *lines, size_t room)
{
    size_t count = 0, len;
    ring_release(&plane->frames);
    for (const struct frame_line *line; count < room && (line = ring_read(&plane->frames, &len)) != NULL;)
        lines[count++] = *line;
    return count;
}

const uint8_t *plane_frame_memory(const struct plane *plane, size_t *size)
{
    *size = plane->frames.size;
    return plane->frames.memory;
}

void plane_counters(const struct plane *plane, uint64_t *frames_lost, uint64_t *events_lost,
                    uint64_t *send_failures)
{
    *frames_lost = counter_read(&plane->frames.refused);
    *events_lost = counter_read(&plane->events.refused);
    *send_failures = counter_read(&plane->send_failures);
}

uint64_t plane_dropped(const struct plane *plane)
{
    const struct backend *backend = plane->backend;
    return backend->kind->dropped != NULL ? backend->kind->dropped(backend) : 0;
}

uint64_t plane_forwarded(const struct plane *plane)
{
    const struct backend *backend = plane->backend;
    return backend->kind->forwarded != NULL ? backend->kind->forwarded(backend) : 0;
}
