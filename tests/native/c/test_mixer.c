/* Members come, change and go while they are mixed, as a plane does it: with memory of its own. What is heard is
 * checked in tests/contract/test_mixer.py; here, that nobody is ever heard by itself or touched after leaving. */
#include <string.h>

#include "check.h"
#include "mixer.h"

enum { MEMBERS = 12, TICKS = 600 };

static const int32_t RATES_HZ[] = {0, 8000, 8000, 8000, 16000, 24000, 48000};
static uint64_t seed = 5;
static struct mixer mixer;
static struct mixer_member *members[MEMBERS];

static struct mix_params any_params(void)
{
    return (struct mix_params){
        .gain = (float)(random32(&seed) % 300) / 100,
        .duck = (float)(random32(&seed) % 100) / 100,
        .muted = random32(&seed) % 5 == 0,
        .whispers = random32(&seed) % 4 == 0,
    };
}

static void change(struct mixer_member **member)
{
    struct mix_params params = any_params();
    if (*member == NULL) {
        *member = malloc(sizeof **member);
        mixer_add(&mixer, *member, &params);
    } else if (random32(&seed) % 2 == 0) {
        mixer_set(*member, &params, members[random32(&seed) % MEMBERS]);
    } else {
        mixer_remove(&mixer, *member);
        free(*member);
        *member = NULL;
    }
}

static void speak(struct mixer_member *member, int32_t rate_hz)
{
    int16_t *uplink = mixer_uplink(member, rate_hz), *downlink = mixer_downlink(member);
    for (size_t i = 0; i < MEDIA_FRAME_MAX; i++) {
        uplink[i] = (int16_t)random32(&seed);
        downlink[i] = 0;
    }
}

static void test_churn(void)
{
    mixer_init(&mixer);
    for (int tick = 0; tick < TICKS; tick++) {
        change(&members[random32(&seed) % MEMBERS]);
        for (size_t i = 0; i < MEMBERS; i++)
            if (members[i] != NULL)
                speak(members[i], RATES_HZ[random32(&seed) % (sizeof RATES_HZ / sizeof *RATES_HZ)]);
        mixer_mix(&mixer);
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        if (members[i] == NULL)
            continue;
        mixer_remove(&mixer, members[i]);
        free(members[i]);
    }
    CHECK(mixer.first == NULL && mixer.last == NULL);
    mixer_mix(&mixer);
}

static void test_nobody_hears_itself(void)
{
    struct mix_params params = {.gain = 0.7f, .duck = 1};
    struct mixer *made = mixer_new();
    struct mixer_member *loud = mixer_join(made, &params), *silent = mixer_join(made, &params);
    for (int tick = 0; tick < 10; tick++) {
        speak(loud, 16000);
        memset(mixer_uplink(silent, 8000), 0, MEDIA_FRAME_MAX * sizeof(int16_t));
        memset(mixer_downlink(silent), 0, MEDIA_FRAME_MAX * sizeof(int16_t));
        mixer_mix(made);
        for (size_t i = 0; i < 320; i++)
            CHECK(mixer_downlink(loud)[i] == 0);
    }
    mixer_leave(made, loud);
    mixer_free(made);
}

int main(void)
{
    test_churn();
    test_nobody_hears_itself();
    return 0;
}
