#include "tones.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

enum {
    WINDOW = 2 * TONES_HALF,
    TONES = 2 * TONES_GROUP,
    ONE = 1 << 14,       /* of the table */
    SHIFT = 10,          /* of a correlation, so that its square has room */
    SHARE = 20480,       /* power of a tone in units of a window's energy: (80 * 2^14 / 2^10)^2 / 80 */
    BEGIN_WINDOWS = 3,
    END_WINDOWS = 2,
    HALF_MS = MEDIA_TICK_US / 2000,
};

/* 1280 A, squared, for an amplitude A of 519, which is -36 dBFS. */
static const int64_t LEAST = 1638400LL * 519 * 519;

static const int32_t HERTZ[TONES] = {697, 770, 852, 941, 1209, 1336, 1477, 1633};
static const char KEYS[TONES_GROUP][TONES_GROUP + 1] = {"123A", "456B", "789C", "*0#D"};

static int16_t table[TONES][2][WINDOW];

static void fill_table(void)
{
    for (size_t tone = 0; tone < TONES; tone++)
        for (size_t i = 0; i < WINDOW; i++) {
            double angle = 2 * M_PI * HERTZ[tone] * (double)i / 8000;
            table[tone][0][i] = (int16_t)lrint(cos(angle) * ONE);
            table[tone][1][i] = (int16_t)lrint(sin(angle) * ONE);
        }
}

void tones_prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_table);
}

static int64_t correlate(const int16_t *window, const int16_t *with)
{
    int64_t sum = 0;
    for (size_t i = 0; i < WINDOW; i++)
        sum += window[i] * with[i];
    return sum >> SHIFT;
}

/* The strongest of a group, or TONES_GROUP if another one is nearly as strong. */
static size_t strongest(const int64_t *power)
{
    size_t best = 0;
    for (size_t i = 1; i < TONES_GROUP; i++)
        best = power[i] > power[best] ? i : best;
    for (size_t i = 0; i < TONES_GROUP; i++)
        if (i != best && power[i] > power[best] / 4)
            return TONES_GROUP;
    return best;
}

/* The key in a window, or 0. */
static char key_in(const int16_t *window)
{
    int64_t power[TONES], energy = 0;
    for (size_t i = 0; i < WINDOW; i++)
        energy += window[i] * window[i];
    for (size_t tone = 0; tone < TONES; tone++) {
        int64_t even = correlate(window, table[tone][0]), odd = correlate(window, table[tone][1]);
        power[tone] = even * even + odd * odd;
    }
    size_t row = strongest(power), column = strongest(power + TONES_GROUP);
    if (row == TONES_GROUP || column == TONES_GROUP)
        return 0;
    int64_t low = power[row], high = power[TONES_GROUP + column];
    bool loud = low >= LEAST && high >= LEAST;
    bool alone = (low + high) / SHARE >= energy / 20 * 11;
    bool twist_is_right = high / 5 * 2 <= low && low / 19 * 3 <= high; /* 4 dB, 8 dB */
    return loud && alone && twist_is_right ? KEYS[row][column] : 0;
}

/* A window more, 10 ms after the last one. True if a key ended with it. */
static bool step(struct tones *tones, struct media_event *event)
{
    char key = key_in(tones->window);
    tones->run = key != tones->last ? 1 : tones->run + 1;
    tones->last = key;
    tones->windows++;
    if (tones->key == 0) {
        tones->key = tones->run >= BEGIN_WINDOWS ? key : 0;
        tones->windows = tones->run;
        tones->missing = 0;
        return false;
    }
    tones->missing = key == tones->key ? 0 : tones->missing + 1;
    if (tones->missing < END_WINDOWS)
        return false;
    /* n windows span n + 1 halves. */
    int32_t ms = (int32_t)(tones->windows - tones->missing + 1) * HALF_MS;
    *event = (struct media_event){.kind = MEDIA_DTMF, .digit = tones->key, .ms = ms};
    tones->key = 0;
    return true;
}

/* The next 10 ms, brought down to 8 kHz. */
static void shift_in(struct tones *tones, const int16_t *pcm, size_t per_sample)
{
    memmove(tones->window, tones->window + TONES_HALF, TONES_HALF * sizeof *tones->window);
    for (size_t i = 0; i < TONES_HALF; i++) {
        int32_t sum = 0;
        for (size_t k = 0; k < per_sample; k++)
            sum += *pcm++;
        tones->window[TONES_HALF + i] = (int16_t)(sum / (int32_t)per_sample);
    }
}

size_t tones_hear(struct tones *tones, const int16_t *pcm, size_t n, struct media_event *events)
{
    size_t count = 0;
    for (size_t half = 0; half < 2; half++) {
        shift_in(tones, pcm + half * n / 2, n / WINDOW);
        count += step(tones, &events[count]);
    }
    return count;
}
