/* Wakes somebody again and again: `signal EVENTFD MEMORY PERIOD_US COUNT` writes the CLOCK_MONOTONIC nanosecond
 * of its i-th signal to the i-th 8 bytes of the memory file, and then 1 to the eventfd. */
#include <err.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const int64_t SECOND_NS = 1000000000;

int main(int argc, char **argv)
{
    if (argc != 5)
        errx(2, "usage: signal EVENTFD MEMORY PERIOD_US COUNT");
    int wake = atoi(argv[1]);
    int64_t period_ns = atoll(argv[3]) * 1000, count = atoll(argv[4]);
    int64_t *stamps = mmap(NULL, (size_t)count * sizeof *stamps, PROT_WRITE, MAP_SHARED, atoi(argv[2]), 0);
    if (stamps == MAP_FAILED)
        err(1, "memory");
    struct timespec next, now;
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (int64_t i = 0; i < count; i++) {
        int64_t due_ns = next.tv_nsec + period_ns;
        next = (struct timespec){next.tv_sec + due_ns / SECOND_NS, due_ns % SECOND_NS};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
        uint64_t one = 1;
        clock_gettime(CLOCK_MONOTONIC, &now);
        stamps[i] = now.tv_sec * SECOND_NS + now.tv_nsec;
        if (write(wake, &one, sizeof one) != sizeof one)
            err(1, "eventfd");
    }
    return 0;
}
