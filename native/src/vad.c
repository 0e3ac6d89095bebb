#include "vad.h"

#include "pcm.h"

enum { FRAME_MS = MEDIA_TICK_US / 1000 };

static void follow(struct vad *vad, uint32_t power)
{
    uint32_t risen = vad->floor + (vad->floor >> VAD_RISE_SHIFT) + 1;
    vad->floor = power < risen ? power : risen;
    if (vad->floor < VAD_FLOOR_MIN)
        vad->floor = VAD_FLOOR_MIN;
}

bool vad_hear(struct vad *vad, const int16_t *pcm, size_t n, struct media_event *event)
{
    uint32_t power = pcm_power(pcm, n);
    bool speaks = power > VAD_GATE && power / VAD_OVER_FLOOR > vad->floor;
    follow(vad, power);
    vad->frames++;
    vad->run = speaks == vad->speaking ? 0 : vad->run + 1;
    if (vad->run < (vad->speaking ? VAD_HANGOVER_FRAMES : VAD_ONSET_FRAMES))
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
