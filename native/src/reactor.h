/* The reactor thread of a plane (plane.h). */
#ifndef CLUTCH_REACTOR_H
#define CLUTCH_REACTOR_H

#include "plane.h"

enum {
    REACTOR_PERIOD_US = MEDIA_TICK_US / PLANE_PHASES,
    REACTOR_PLAIN_TICKS = 25, /* 500 ms: for so long a direction must be plain before a backend gets it */
};

/* The thread: runs until plane->stopping, and then carries out the commands that are left, so that everything
 * is in the caller's hands. */
void *reactor_main(void *plane);

/* On that thread: put something on the list of what goes back to the caller. */
void reactor_give_back(struct plane *plane, struct returned *returned);

/* On that thread: a leg is ticked by itself in this phase, or no longer by itself. */
void reactor_enter_phase(struct leg *leg, size_t phase);
void reactor_leave_phase(struct leg *leg);

#endif
