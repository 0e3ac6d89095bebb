/* The reactor thread of a plane (plane.h). */
#ifndef CLUTCH_REACTOR_H
#define CLUTCH_REACTOR_H

#include "plane.h"

enum { REACTOR_PERIOD_US = MEDIA_TICK_US / PLANE_PHASES };

/* The thread: runs until plane->stopping, and then carries out the commands that are left, so that everything
 * is in the caller's hands. */
void *reactor_main(void *plane);

#endif
