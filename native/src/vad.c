#include "vad.h"

enum { FRAME_MS = MEDIA_TICK_US / 1000 };

static uint32_t mean_square(const int16_t *pcm, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (uint32_t)(pcm[i] * pcm[i]);
    return (uint32_t)(sum / n);
}

static void follow(struct vad *vad, uint32_t energy)
{
    uint32_t risen = vad->floor + (vad->floor >> VAD_RISE_SHIFT) + 1;
    vad->floor = energy < risen ? energy : risen;
    if (vad->floor < VAD_FLOOR_MIN)
        vad->floor = VAD_FLOOR_MIN;
}

bool vad_hear(struct vad *vad, const int16_t *pcm, size_t n, struct media_event *event)
{
    uint32_t energy = mean_square(pcm, n);
    bool speaks = energy > VAD_GATE && energy / VAD_OVER_FLOOR > vad->floor;
    follow(vad, energy);
    vad->frames++;
    vad->run = speaks == vad->speaking ? 0 : vad->run + 1;
    if (vad->run < (vad->speaking ? VAD_STOP_FRAMES : VAD_START_FRAMES))
        return false;
    if (vad->speaking)
        *event = (struct media_event){.kind = MEDIA_SPEECH_ENDED, .ms = (int32_t)((vad->frames - vad->run) * FRAME_MS)};
    else
        *event = (struct media_event){.kind = MEDIA_SPEECH_STARTED};
    vad->frames = vad->run;
    vad->speaking = !vad->speaking;
    vad->run = 0;
    return true;
}
