#include "dtmf.h"

#include <errno.h>
#include <string.h>

enum {
    TICK_MS = MEDIA_TICK_US / 1000,
    END = 0x80,
    DURATION_MAX = 0xffff,
    END_REPEATS = 2,
};

static const char DIGITS[] = "0123456789*#ABCD";

int dtmf_event(char digit)
{
    const char *found = digit != '\0' ? strchr(DIGITS, digit) : NULL;
    return found != NULL ? (int)(found - DIGITS) : -EINVAL;
}

static uint32_t ticks_of(uint32_t ms)
{
    return ms / TICK_MS + (ms % TICK_MS != 0);
}

bool dtmf_press(struct dtmf_sender *sender, uint8_t event, uint32_t tone_ms, uint32_t gap_ms)
{
    if (sender->count == DTMF_QUEUE)
        return false;
    struct dtmf_key *key = &sender->keys[(sender->first + sender->count++) % DTMF_QUEUE];
    key->event = event;
    key->tone_ticks = tone_ms > 0 ? ticks_of(tone_ms) : 1;
    key->gap_ticks = ticks_of(gap_ms);
    return true;
}

bool dtmf_is_sending(const struct dtmf_sender *sender)
{
    return sender->count > 0 || sender->step > 0;
}

static bool next_key(struct dtmf_sender *sender, uint32_t timestamp)
{
    if (sender->count == 0)
        return false;
    sender->pressed = sender->keys[sender->first];
    sender->timestamp = timestamp;
    sender->first = (sender->first + 1) % DTMF_QUEUE;
    sender->count--;
    return true;
}

bool dtmf_step(struct dtmf_sender *sender, uint32_t timestamp, uint32_t frame, struct dtmf_packet *packet)
{
    if (sender->step == 0 && !next_key(sender, timestamp))
        return false;
    const struct dtmf_key *key = &sender->pressed;
    uint32_t step = ++sender->step;
    uint32_t last = key->tone_ticks + END_REPEATS;
    if (step >= last + key->gap_ticks)
        sender->step = 0;
    if (step > last)
        return false;
    bool end = step >= key->tone_ticks;
    uint64_t elapsed = (uint64_t)(end ? key->tone_ticks : step) * frame;
    uint32_t duration = elapsed > DURATION_MAX ? DURATION_MAX : (uint32_t)elapsed;
    packet->marker = step == 1;
    packet->timestamp = sender->timestamp;
    packet->payload[0] = key->event;
    packet->payload[1] = (uint8_t)((end ? END : 0) | DTMF_VOLUME);
    packet->payload[2] = (uint8_t)(duration >> 8);
    packet->payload[3] = (uint8_t)duration;
    return true;
}

size_t dtmf_finish(struct dtmf_receiver *receiver, struct media_event *event)
{
    if (!receiver->pressed)
        return 0;
    receiver->pressed = false;
    *event = (struct media_event){
        .kind = MEDIA_DTMF, .digit = DIGITS[receiver->event], .ms = receiver->ms};
    return 1;
}

size_t dtmf_hear(struct dtmf_receiver *receiver, const uint8_t *payload, uint32_t timestamp, int64_t now_us,
                 uint32_t clock_hz, struct media_event *events)
{
    uint8_t event = payload[0];
    /* Now, because the clock may be another one when the key is reported. */
    int32_t ms = (int32_t)((uint32_t)(payload[2] << 8 | payload[3]) * 1000 / clock_hz);
    if (event >= sizeof DIGITS - 1)
        return 0;
    /* A straggler of an earlier key is not a new one. */
    if (receiver->known && (int32_t)(timestamp - receiver->timestamp) < 0)
        return 0;
    size_t count = 0;
    if (!receiver->known || timestamp != receiver->timestamp) {
        count = dtmf_finish(receiver, events);
        *receiver = (struct dtmf_receiver){
            .timestamp = timestamp, .event = event, .known = true, .pressed = true};
    }
    if (!receiver->pressed)
        return count;
    receiver->heard_us = now_us;
    if (ms > receiver->ms)
        receiver->ms = ms;
    if (payload[1] & END)
        count += dtmf_finish(receiver, events + count);
    return count;
}

bool dtmf_is_lost(const struct dtmf_receiver *receiver, int64_t now_us)
{
    return receiver->pressed && now_us - receiver->heard_us >= DTMF_LOST_END_US;
}
