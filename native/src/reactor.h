/* The reactor thread of a plane (plane.h). */
#ifndef CLUTCH_REACTOR_H
#define CLUTCH_REACTOR_H

#include "plane.h"

enum { REACTOR_PERIOD_US = MEDIA_TICK_US / PLANE_PHASES };

/* The thread: runs until plane->stopping. */
void *reactor_main(void *plane);

/* Carry out all commands that are waiting. The reactor's; the caller may use it once the thread is gone. */
void reactor_run_commands(struct plane *plane);

#endif
