/* A whole plane, on loopback or across a virtual cable: the main thread is what Python's thread is to it.
 * Under the thread sanitizer this is the proof that the two threads share nothing but what plane.h lists. */
#include <errno.h>
#include <poll.h>

#include "network.h"
#include "plane.h"
#include "rtp.h"

#define CNAME "0123456789abcdef"

enum { LEGS = 6, ROUNDS = 40 };

static struct plane *plane;
static struct leg *legs[LEGS];
static bool closed[LEGS];
static size_t frames, events;
static int peer;
static struct endpoint local, peer_endpoint;
static struct recorder *recorder;
static char folder[] = "/tmp/clutch-plane-XXXXXX";

static void open_peer(const char *local_ip, const char *peer_ip)
{
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    local = endpoint_of(local_ip, 0);
    peer_endpoint = endpoint_of(peer_ip, 0);
    peer = udp_open(&peer_endpoint, 0, 1 << 16);
    CHECK(peer >= 0 && getsockname(peer, (struct sockaddr *)&address, &len) == 0);
    peer_endpoint.port = ntohs(address.sin_port);
}

static void send_to(uint16_t port, uint16_t seq)
{
    struct endpoint to = local;
    uint8_t packet[RTP_HEADER + 160] = {0};
    /* Every tenth is a key, complete with its first packet. */
    bool key = seq % 10 == 9;
    struct rtp_packet rtp = {.payload_type = key ? 101 : 0, .seq = seq, .timestamp = seq * 160u, .ssrc = 5};
    rtp_write_header(packet, &rtp);
    packet[RTP_HEADER + 1] = key ? 0x80 : 0;
    to.port = port;
    CHECK(udp_send(peer, false, packet, sizeof packet, &to) == 0);
}

static void drain(void)
{
    struct pollfd wake = {.fd = plane_wake_fd(plane), .events = POLLIN};
    struct media_event got[4];
    struct frame_line lines[4];
    poll(&wake, 1, 20);
    plane_begin_drain(plane);
    for (size_t count; (count = plane_events(plane, got, 4)) > 0;) {
        for (size_t i = 0; i < count; i++) {
            events += got[i].kind == MEDIA_DTMF;
            for (size_t leg = 0; got[i].kind == MEDIA_CLOSED && leg < LEGS; leg++)
                if (legs[leg] != NULL && leg_id(legs[leg]) == got[i].leg) {
                    closed[leg] = true;
                    leg_release(legs[leg]);
                    legs[leg] = NULL;
                }
        }
    }
    size_t size;
    const uint8_t *memory = plane_frame_memory(plane, &size);
    for (size_t count; (count = plane_frames(plane, lines, 4)) > 0; frames += count)
        for (size_t i = 0; i < count; i++) {
            const int16_t *pcm = (const int16_t *)(const void *)(memory + lines[i].offset);
            size_t samples = 2 * lines[i].rate_hz / MEDIA_TICKS_PER_SECOND;
            CHECK(lines[i].offset + 2 * samples <= size);
            /* Payloads of zeros are the most negative sample; silence and the downlink are zero. */
            for (size_t k = 0; k < samples; k++)
                CHECK(pcm[k] <= 0);
        }
}

static void connect_leg(struct leg *leg, bool receive)
{
    struct media_params params = {.remote = peer_endpoint, .codec = CODEC_PCMU, .rate_hz = 8000,
                                  .telephone_event = 101, .timeout_ms = 30000,
                                  .send = true, .receive = receive};
    CHECK(leg_connect(leg, &params) == 0);
}

static const char *record_path(size_t leg)
{
    static char path[sizeof folder + 8];
    snprintf(path, sizeof path, "%s/%zu", folder, leg);
    return path;
}

static void record(size_t leg)
{
    struct recording *recording, *second;
    CHECK(recording_open(recorder, record_path(leg), RECORD_UPLINK | RECORD_DOWNLINK, &recording) == 0);
    CHECK(recording_open(recorder, record_path(leg), RECORD_UPLINK, &second) == 0);
    CHECK(leg_record(legs[leg], recording) == 0);
    CHECK(leg_record(legs[leg], second) == -EBUSY);
    recording_discard(second);
}

/* A recording ends by itself or with its leg. */
static void check_recordings(size_t count)
{
    struct recording_news news;
    struct pollfd wake = {.fd = recorder_wake_fd(recorder), .events = POLLIN};
    while (count > 0)
        if (recorder_next(recorder, &news)) {
            CHECK(news.over && news.error == 0 && news.lost == 0);
            count--;
        } else {
            CHECK(poll(&wake, 1, 30000) == 1);
        }
    for (size_t i = 0; i < LEGS; i++)
        CHECK(unlink(record_path(i)) == 0);
}

static void live_round(uint16_t round)
{
    static const int16_t pcm[800];
    uint64_t counters[MEDIA_COUNTERS];
    for (size_t i = 0; i < LEGS; i++) {
        send_to(leg_port(legs[i]), round);
        stream_send(leg_stream(legs[i]), pcm, 160 + round);
        if (round % 7 == i)
            stream_clear(leg_stream(legs[i]));
        if (round % 13 == i)
            connect_leg(legs[i], true);
        if (round % 9 == i)
            CHECK(leg_bridge(legs[i], legs[(i + round) % LEGS]) == (round % LEGS == 0 ? -EINVAL : 0));
        if (round % 11 == i)
            CHECK(leg_unbridge(legs[i]) == 0 && leg_tap(legs[i], round % 2) == 0);
        if (round == 20)
            CHECK(leg_dial(legs[i], "7", 1, 40, 20) == 1);
        stream_stats(leg_stream(legs[i]), counters);
        CHECK(stream_queued(leg_stream(legs[i])) <= DOWNLINK_SAMPLES);
    }
    drain();
}

static void test_life(void)
{
    for (size_t i = 0; i < LEGS; i++) {
        CHECK(leg_open(plane, (uint32_t)i, 1, 1, CNAME, &legs[i]) == 0);
        connect_leg(legs[i], true);
        CHECK(leg_tap(legs[i], true) == 0);
        record(i);
    }
    CHECK(plane_free_ports(plane) == 0);
    struct leg *one_too_many;
    CHECK(leg_open(plane, 1, 1, 1, CNAME, &one_too_many) < 0);
    for (uint16_t round = 0; round < ROUNDS; round++)
        live_round(round);
    CHECK(leg_record(legs[0], NULL) == 0 && leg_record(legs[0], NULL) == 0);
    for (size_t i = 0; i < LEGS; i++) {
        leg_close(legs[i]);
        leg_close(legs[i]);
    }
    for (size_t left = LEGS; left > 0;) {
        drain();
        left = LEGS;
        for (size_t i = 0; i < LEGS; i++)
            left -= closed[i];
    }
    CHECK(plane_free_ports(plane) == LEGS);
    CHECK(frames > LEGS && events > 0);
    check_recordings(LEGS);
}

/* Closing a plane frees what is still open, also what the reactor never saw. */
static void test_close_with_open_legs(void)
{
    for (size_t i = 0; i < LEGS; i++) {
        CHECK(leg_open(plane, 1, 1, 1, CNAME, &legs[i]) == 0);
        connect_leg(legs[i], false);
        connect_leg(legs[i], true);
        if (i > 0)
            CHECK(leg_bridge(legs[i], legs[i - 1]) == (i % 2 ? 0 : -EINVAL));
        record(i);
        if (i % 2)
            leg_close(legs[i]);
    }
    plane_close(plane);
    CHECK(recorder_close(recorder) == 0);
    for (size_t i = 0; i < LEGS; i++)
        unlink(record_path(i));
    CHECK(rmdir(folder) == 0);
}

/* AF_XDP needs an interface, and the mode as a second argument; the others are content with loopback. */
static void open_ground(struct plane_options *options, const char *mode)
{
    if (strcmp(options->backend, "af_xdp") != 0) {
        open_peer("127.0.0.1", "127.0.0.1");
        return;
    }
    open_network();
    strcpy(options->interface, "near");
    options->xdp_mode = strcmp(mode, "generic") == 0 ? XDP_MODE_GENERIC : XDP_MODE_DRIVER;
    enter(far_namespace);
    open_peer(NEAR_IP, FAR_IP);
    enter(near_namespace);
}

int main(int argc, char **argv)
{
    struct plane_options options = {.cpu = -1};
    CHECK(argc >= 2 && strlen(argv[1]) < sizeof options.backend);
    strcpy(options.backend, argv[1]);
    CHECK(mkdtemp(folder) != NULL && recorder_open(&recorder) == 0);
    open_ground(&options, argv[argc - 1]);
    CHECK(plane_open(&plane, &local, 3, 3, &options) < 0);
    /* Two runs at once keep out of each other's way. */
    uint16_t first = (uint16_t)(20000 + getpid() % 400 * 2 * LEGS);
    CHECK(plane_open(&plane, &local, first, (uint16_t)(first + 2 * LEGS - 1), &options) == 0);
    test_life();
    test_close_with_open_legs();
    close(peer);
    return 0;
}
