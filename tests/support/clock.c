/* Preloaded, it makes time(2) run ahead by so many seconds: cron starts its jobs at full minutes,
 * and no test wants to wait for one.
 *
 * REEVE_TEST_CLOCK: the seconds. */
#include <stdlib.h>
#include <time.h>

time_t time(time_t* result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const char* ahead = getenv("REEVE_TEST_CLOCK");
    now.tv_sec += ahead ? atol(ahead) : 0;
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}
