/* The pool of ports: order, quarantine, and ports that another process has. */
#include <errno.h>

#include "check.h"
#include "ports.h"

static void test_the_longest_unused_comes_first(void)
{
    struct ports ports;
    CHECK(ports_open(&ports, 4001, 4006) == 0);
    CHECK(ports_ready(&ports, 0) == 3);
    CHECK(ports_take(&ports, 0) == 4002);
    CHECK(ports_take(&ports, 0) == 4004);
    ports_give(&ports, 4002, 0);
    CHECK(ports_take(&ports, 0) == 4006);
    CHECK(ports_take(&ports, 0) == 4002);
    CHECK(ports_take(&ports, 0) == -EADDRNOTAVAIL);
    ports_close(&ports);
}

static void test_a_port_rests_after_its_use(void)
{
    struct ports ports;
    CHECK(ports_open(&ports, 4000, 4003) == 0);
    CHECK(ports_take(&ports, 0) == 4000);
    ports_give(&ports, 4000, 500);
    CHECK(ports_take(&ports, 100) == 4002);
    ports_give(&ports, 4002, 600);
    CHECK(ports_ready(&ports, 499) == 0);
    CHECK(ports_take(&ports, 499) == -EADDRNOTAVAIL);
    CHECK(ports_ready(&ports, 500) == 1);
    CHECK(ports_take(&ports, 500) == 4000);
    CHECK(ports_take(&ports, 599) == -EADDRNOTAVAIL);
    CHECK(ports_take(&ports, 600) == 4002);
    ports_close(&ports);
}

static void test_a_range_without_an_even_port(void)
{
    struct ports ports;
    CHECK(ports_open(&ports, 4001, 4001) == -EINVAL);
    CHECK(ports_open(&ports, 0, 0) == -EINVAL);
    CHECK(ports_open(&ports, 65534, 65535) == 0);
    CHECK(ports_take(&ports, 0) == 65534);
    ports_close(&ports);
}

int main(void)
{
    test_the_longest_unused_comes_first();
    test_a_port_rests_after_its_use();
    test_a_range_without_an_even_port();
    return 0;
}
