/* What Python sees of the media plane.
 *
 * The C compiler includes this file and cffi parses it, so that the two cannot disagree; therefore it
 * holds no preprocessor line, and its includer has included <stdbool.h>, <stddef.h> and <stdint.h>
 * (use "media.h").
 *
 * Results of type int are 0 or a count on success and a negative errno on failure. Times are
 * microseconds of one monotonic clock, given by the caller. PCM is signed 16 bit, native byte order.
 */

/* ---- values ---- */

/* An IP address and UDP port. IPv4 is written as the mapped IPv6 address ::ffff:a.b.c.d (RFC 4291
 * section 2.5.5.2), in network order; the port is in host order. No padding: memcmp compares two. */
struct endpoint {
    uint8_t ip[16];
    uint16_t port;
};

enum codec_id { CODEC_PCMU, CODEC_PCMA, CODEC_L16, CODEC_OPUS, CODEC_G722 };

/* Crypto suites of SRTP, by their names in SDP (RFC 4568 section 6.2, RFC 6188, RFC 7714 section 14.2). */
enum srtp_suite {
    SRTP_NONE,
    SRTP_AES_CM_128_SHA1_80,
    SRTP_AES_CM_128_SHA1_32,
    SRTP_AES_256_CM_SHA1_80,
    SRTP_AEAD_AES_128_GCM,
    SRTP_AEAD_AES_256_GCM
};

enum { SRTP_KEY_MAX = 46 };

/* How a stream's packets are protected: one suite, and each side's own master key with its salt behind it. */
struct media_keys {
    int32_t suite; /* enum srtp_suite; NONE: plain RTP */
    uint8_t send[SRTP_KEY_MAX];
    uint8_t receive[SRTP_KEY_MAX];
};

/* How we code Opus (RFC 7587). Zeros are the least that there is. */
struct opus_options {
    int32_t bitrate;      /* bit/s, 6000 to 510000; 0: 32000 */
    int32_t complexity;   /* 0 to 10 */
    int32_t loss_percent; /* of what we send, as the encoder is to expect */
    int32_t playback_hz;  /* the peer hears nothing above half of it; 0: it hears all */
    bool fec;             /* send forward error correction in band, as much as that loss asks for */
};

/* What signalling agreed on. */
struct media_params {
    struct endpoint remote;  /* where the peer says it receives */
    int32_t codec;           /* enum codec_id */
    int32_t rate_hz;         /* of the PCM */
    int32_t payload_type;
    int32_t telephone_event; /* payload type of RFC 4733 events, -1 without */
    int32_t timeout_ms;      /* 0: never */
    bool send;
    bool receive;
    bool learn;              /* adopt the address that packets really come from */
    struct endpoint rtcp;    /* where the peer receives RTCP; port 0: where it receives RTP (rtcp-mux) */
    int32_t clock_hz;        /* of RTP timestamps; 0: rate_hz */
    int32_t event_clock_hz;  /* in which telephone events count their duration; 0: clock_hz */
    struct media_keys keys;  /* a direction whose key stays goes on where it was */
    struct opus_options opus;
    bool dtx;                /* send next to nothing in silence: Opus by itself, others by comfort noise */
    int32_t comfort_noise;   /* payload type of RFC 3389; 0: its static one, 13 */
    bool detect_speech;      /* report when the peer starts and stops speaking (vad.h) */
    bool detect_tones;       /* hear keys as tones (tones.h), unless telephone events were negotiated */
};

/* Counters and gauges of a stream, in the order of stream_stats(). */
enum media_counter {
    PACKETS_SENT,
    PACKETS_RECEIVED,
    PLAYED,
    LATE,
    DUPLICATE,
    DISCARDED,
    CONCEALED,
    MALFORMED,
    WRONG_PAYLOAD,
    WRONG_SOURCE,
    SSRC_CHANGES,
    DOWNLINK_DROPPED,
    LOST,      /* the peer's packets that never came (RFC 3550 A.3) */
    JITTER_US, /* of their arrival (A.8) */
    REPORTS_SENT,
    REPORTS_RECEIVED,
    REPORTS_MALFORMED,
    REPORTS_WRONG_SOURCE,
    REMOTE_EXPECTED, /* the peer's last report: what we had sent by then ... */
    REMOTE_LOST,     /* ... how much of it never came ... */
    REMOTE_JITTER_US,
    ROUND_TRIPS, /* how often the round trip was measured ... */
    ROUND_TRIP_US, /* ... and the last result */
    SRTP_FORGED,   /* RTP and RTCP packets whose authentication failed, */
    SRTP_REPLAYED, /* ... and those that had come before or were too old to tell */
    RELAYED, /* audio that went on to the bridged stream and was not decoded here */
    RECOVERED,     /* lost packets that the next one told the content of (FEC) */
    MEDIA_COUNTERS
};

enum media_event_kind { MEDIA_DTMF, MEDIA_TIMEOUT, MEDIA_CLOSED, MEDIA_SPEECH_STARTED, MEDIA_SPEECH_ENDED };

/* Something that happened to a stream. */
struct media_event {
    uint32_t leg;  /* identity of the leg in its plane; 0 from a bare stream */
    int32_t kind;  /* enum media_event_kind */
    int32_t digit; /* DTMF: the character */
    int32_t ms;    /* DTMF: how long the key was pressed; TIMEOUT: how long nothing came;
                  * SPEECH_ENDED: how long it was */
};

/* An RTCP compound that is due. */
struct media_report {
    const uint8_t *data; /* the stream's, until its next call */
    size_t len;          /* 0: nothing is due */
    struct endpoint to;
    bool muxed; /* to be sent from the RTP port, not from the one above it */
};

/* A packet that is to leave through the stream that the one it came to is bridged with (bridge.h). */
struct media_relay {
    uint8_t *data; /* in the memory of the one that came */
    size_t len;    /* 0: nothing goes on */
    struct endpoint to;
};

/* The outcome of one 20 ms tick. The caller points `uplink` and `downlink` at room for
 * MEDIA_FRAME_MAX (960) samples each, `packet` at MEDIA_PACKET_MAX (2048) bytes. */
struct media_tick {
    int16_t *uplink;
    int16_t *downlink;
    uint8_t *packet;
    size_t packet_len;  /* 0: nothing to send */
    struct endpoint to; /* where to send it */
    uint64_t index;     /* ticks since the stream was opened */
    int32_t rate_hz;    /* 0: no PCM was written; never connected, or bridged and nobody listens */
    bool concealed;     /* any sample of uplink was made up */
    struct media_report report;
};

/* Where one tapped frame lies in the frame ring. Python unpacks arrays of it as "=QIIIBxxx". */
struct frame_line {
    uint64_t index;
    uint32_t leg;
    uint32_t rate_hz;
    uint32_t offset;    /* of uplink in the ring; downlink follows it at once */
    uint8_t concealed;
    uint8_t reserved[3];
};

/* Whom a recording keeps: one channel each, the uplink first. */
enum recording_side { RECORD_UPLINK = 1, RECORD_DOWNLINK = 2 };

/* What became of a recording. */
struct recording_news {
    uint32_t recording;
    int32_t error;    /* 0, or the errno that ended it: EOVERFLOW: a WAV file, 4 GiB, is full; ENOTSUP: */
    uint32_t rate_hz; /* ... this is the file's rate, ... */
    uint32_t new_hz;  /* ... and the leg has another one now */
    uint64_t lost;    /* frames that are silence, because the disk was too slow */
    bool over;        /* the last news: the file is closed */
};

/* Where on its interface the af_xdp backend takes packets. */
enum xdp_mode {
    XDP_MODE_AUTO,   /* driver, else generic */
    XDP_MODE_DRIVER, /* in the driver, before the kernel makes an skb */
    XDP_MODE_GENERIC /* after that: every interface has it, and it saves less */
};

/* How a plane works. Strings end with a zero byte. */
struct plane_options {
    char backend[16];     /* "udp"; more if this build has them (native_features) */
    char interface[16];   /* the network interface that a backend attaches to; empty: none */
    int32_t cpu;          /* the CPU that the reactor thread stays on; -1: any */
    int32_t busy_poll_us; /* how long the kernel looks into the device before a wait sleeps; 0: not at all */
    int32_t xdp_mode;     /* enum xdp_mode */
    int32_t quarantine_ms; /* how long a closed leg's ports stay unused */
};

/* A fragment that was read from an mcache. Python unpacks arrays of it as "=QQII". */
struct mcache_fragment {
    uint64_t number;
    uint64_t tag;
    uint32_t kind;
    uint32_t len; /* its bytes lie behind those of the fragment before, each begins at a multiple of 8 */
};

/* ---- build ---- */

/* The names of what was compiled in, separated by spaces: "udp opus". */
const char *native_features(void);

/* True if streams can be protected by this suite. */
bool srtp_has(int32_t suite);

/* ---- the sans-IO stream (stream.h), for one thread ---- */

struct stream;
struct stream *stream_new(uint32_t ssrc, uint16_t seq, uint32_t timestamp, const char *cname);
void stream_free(struct stream *stream);
int stream_setup(struct stream *stream, const struct media_params *params, int64_t now_us);
void stream_receive(struct stream *stream, uint8_t *packet, size_t len, const struct endpoint *source,
                    int64_t now_us, struct media_relay *relay);
void stream_receive_rtcp(struct stream *stream, uint8_t *packet, size_t len,
                         const struct endpoint *source, int64_t now_us);
void stream_tick(struct stream *stream, int64_t now_us, struct media_tick *tick);
void stream_bye(struct stream *stream, int64_t now_us, struct media_report *report);
int stream_bridge(struct stream *one, struct stream *other);
bool stream_flush(struct stream *from, int64_t now_us, uint8_t *packet, struct media_relay *relay);
void stream_unbridge(struct stream *stream);
void stream_tap(struct stream *stream, bool on);
bool stream_next_event(struct stream *stream, struct media_event *event);
size_t stream_send(struct stream *stream, const void *pcm, size_t samples);
void stream_clear(struct stream *stream);
size_t stream_queued(const struct stream *stream);
size_t stream_dial(struct stream *stream, const char *digits, size_t count, uint32_t tone_ms,
                   uint32_t gap_ms);
void stream_stats(const struct stream *stream, uint64_t *counters);

/* ---- mixing (mixer.h), for one thread ---- */

/* How a member takes part. */
struct mix_params {
    float gain;    /* how much louder the others hear it; 1: as it is */
    float duck;    /* how much louder it hears the others while something is audible that is for it alone */
    bool muted;    /* nobody hears it */
    bool whispers; /* at most one member hears it */
};

struct mixer;
struct mixer_member;
struct mixer *mixer_new(void);
void mixer_free(struct mixer *mixer);
struct mixer_member *mixer_join(struct mixer *mixer, const struct mix_params *params);
void mixer_leave(struct mixer *mixer, struct mixer_member *member);
void mixer_set(struct mixer_member *member, const struct mix_params *params, struct mixer_member *ear);
int16_t *mixer_uplink(struct mixer_member *member, int32_t rate_hz);
int16_t *mixer_downlink(struct mixer_member *member);
void mixer_mix(struct mixer *mixer);

/* ---- sampling rates (resample.h), for one thread: a frame of 20 ms at a time ---- */

struct resampler;
int resampler_new(struct resampler **resampler, int32_t from_hz, int32_t to_hz);
void resampler_free(struct resampler *resampler);
void resampler_run(struct resampler *resampler, const int16_t *in, int16_t *out);

/* ---- codecs (codec.h), for one thread: without a stream ---- */

enum { CODEC_SAMPLES_MAX = 5760, CODEC_BYTES_MAX = 11520 }; /* of one payload: 120 ms at 48 kHz, as L16 */

struct codec;
int codec_new(struct codec **codec, const struct media_params *params); /* its codec, rate, clock and opus */
void codec_free(struct codec *codec);
/* Bytes written, at most CODEC_BYTES_MAX. -EINVAL: that many samples are no frame of the codec. */
int codec_encode(struct codec *codec, const int16_t *pcm, size_t n, uint8_t *payload);
/* Samples written, at most CODEC_SAMPLES_MAX. -EBADMSG: the payload is not the codec's. */
int codec_decode(struct codec *codec, const uint8_t *payload, size_t len, int16_t *pcm);
/* Make up n samples of what was lost: -ENOTSUP if the codec cannot, -EINVAL if that is more than fits. */
int codec_conceal(struct codec *codec, int16_t *pcm, size_t n);

/* ---- the plane (plane.h): every function but plane_open is for one and the same thread ---- */

struct plane;
struct leg;
int plane_open(struct plane **plane, const struct endpoint *local, uint16_t first_port,
               uint16_t last_port, const struct plane_options *options);
void plane_close(struct plane *plane);
int plane_wake_fd(const struct plane *plane);
const char *plane_backend(const struct plane *plane); /* what carries it, for people */
size_t plane_free_ports(const struct plane *plane);
void plane_begin_drain(struct plane *plane);
size_t plane_events(struct plane *plane, struct media_event *events, size_t room);
size_t plane_frames(struct plane *plane, struct frame_line *lines, size_t room);
const uint8_t *plane_frame_memory(const struct plane *plane, size_t *size);
void plane_counters(const struct plane *plane, uint64_t *frames_lost, uint64_t *events_lost,
                    uint64_t *send_failures);
uint64_t plane_dropped(const struct plane *plane); /* packets that came, and that no stream saw */
uint64_t plane_forwarded(const struct plane *plane); /* packets that the kernel carried on by itself */

int leg_open(struct plane *plane, uint32_t ssrc, uint16_t seq, uint32_t timestamp, const char *cname,
             struct leg **leg);
uint32_t leg_id(const struct leg *leg);
uint16_t leg_port(const struct leg *leg);
struct stream *leg_stream(struct leg *leg);
int leg_connect(struct leg *leg, const struct media_params *params);
int leg_tap(struct leg *leg, bool on);
int leg_bridge(struct leg *one, struct leg *other);
int leg_unbridge(struct leg *leg);
int leg_dial(struct leg *leg, const char *digits, size_t count, uint32_t tone_ms, uint32_t gap_ms);
void leg_close(struct leg *leg);
void leg_release(struct leg *leg);

/* ---- rooms (room.h), as legs ---- */

struct room;
int room_open(struct plane *plane, struct room **room);
int room_join(struct room *room, struct leg *leg, const struct mix_params *params, struct leg *ear);
int room_set(struct room *room, struct leg *leg, const struct mix_params *params, struct leg *ear);
int room_leave(struct room *room, struct leg *leg);
void room_close(struct room *room);

/* ---- recordings (recorder.h): for the plane's thread; the last two for whoever has no plane ---- */

struct recorder;
struct recording;
int recorder_open(struct recorder **recorder);
int recorder_close(struct recorder *recorder);
int recorder_wake_fd(const struct recorder *recorder);
bool recorder_next(struct recorder *recorder, struct recording_news *news);
int recording_open(struct recorder *recorder, const char *path, uint32_t sides,
                   struct recording **recording);
uint32_t recording_id(const struct recording *recording);
void recording_discard(struct recording *recording);
int leg_record(struct leg *leg, struct recording *recording);
bool recording_put(struct recording *recording, uint64_t tick, uint32_t rate_hz, const void *uplink,
                   const void *downlink);
void recording_end(struct recording *recording, uint64_t tick);

/* ---- rings that processes share (mcache.h) ---- */

struct mcache;
/* Make one, and be its producer. -EINVAL: depth is to be a power of two from 2 to 2^24, data_bytes one from
 * 8 to 2^32 that holds mtu, and mtu is to be positive. */
int mcache_create(struct mcache **mcache, uint32_t depth, uint64_t data_bytes, uint32_t mtu);
/* Join that of a file descriptor, which is duplicated, as a reader of what is to come or as the next
 * producer. -EPROTO: it is no mcache, or one of another version; -EPERM: it could shrink. */
int mcache_join(struct mcache **mcache, int fd, bool produce);
int mcache_fd(const struct mcache *mcache);
uint32_t mcache_mtu(const struct mcache *mcache);
void mcache_leave(struct mcache *mcache);
/* Producer: 0, or -EMSGSIZE for more than mtu bytes. */
int mcache_write(struct mcache *mcache, uint64_t tag, uint32_t kind, const void *data, size_t len);
/* Reader: as many fragments as there are and fit, oldest first; data has room for data_bytes, at least mtu.
 * Returns how many; `lost` counts all that this reader ever lost. */
size_t mcache_read(struct mcache *mcache, struct mcache_fragment *fragments, size_t room, void *data,
                   size_t data_bytes, uint64_t *lost);

/* ---- several sockets on one port (steering.h); -ENOTSUP in a build that cannot ---- */

struct steering;
int steering_open(struct steering **steering, uint32_t shards, uint32_t owners);
int steering_add(struct steering *steering, uint32_t shard, int fd);
int steering_own(struct steering *steering, uint32_t ssrc, uint32_t shard);
int steering_disown(struct steering *steering, uint32_t ssrc);
void steering_close(struct steering *steering);
