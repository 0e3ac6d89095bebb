/* Who is where on a link, as the kernel of a network namespace learns it, forgets it and changes its mind. */
#include "neighbour.h"
#include "network.h"

enum { SLOTS = 8, ELSEWHERE = 6, PROBE = 7 };

static struct neighbours *neighbours;
static const uint8_t far_mac[FRAME_MAC] = {2, 0, 0, 0, 0x77, 2};
static const uint8_t new_mac[FRAME_MAC] = {2, 0, 0, 0, 0x77, 3};

static bool find(size_t slot, const char *ip, uint8_t mac[FRAME_MAC])
{
    const struct endpoint to = endpoint_of(ip, 4000);
    return neighbour_find(neighbours, slot, &to, mac);
}

static void wait_for(size_t slot, const char *ip, const uint8_t *expected)
{
    uint8_t mac[FRAME_MAC];
    for (int waited = 0; !find(slot, ip, mac) || memcmp(mac, expected, sizeof mac) != 0;)
        CHECK(patience(&waited));
}

static void wait_until_unknown(size_t slot, const char *ip)
{
    uint8_t mac[FRAME_MAC];
    for (int waited = 0; find(slot, ip, mac);)
        CHECK(patience(&waited));
}

/* What was asked before this has been answered after it: questions are answered in order. */
static void wait_for_answers(void)
{
    neighbour_forget(neighbours, PROBE);
    wait_for(PROBE, FAR_IP, far_mac);
}

/* As the plane does while it does not know better: that the kernel sends makes it ask. */
static void send_by_the_kernel(const char *from, const char *to)
{
    const struct endpoint local = endpoint_of(from, 0), remote = endpoint_of(to, 4000);
    int fd = udp_open(&local, 0, 0);
    CHECK(fd >= 0 && udp_send(fd, udp_is_ipv6(&local), far_mac, 1, &remote) == 0);
    close(fd);
}

static void test_ipv4(void)
{
    uint8_t mac[FRAME_MAC];
    CHECK(!find(0, FAR_IP, mac));
    send_by_the_kernel(NEAR_IP, FAR_IP);
    wait_for(0, FAR_IP, far_mac);
    wait_for(1, "198.51.100.9", far_mac); /* by the gateway */
    CHECK(!find(2, "203.0.113.1", mac));  /* no route */
    CHECK(!find(3, NEAR_IP, mac));        /* ourselves */
    CHECK(!find(4, "10.77.0.255", mac));  /* broadcast */
    CHECK(!find(5, "224.0.0.1", mac));
    CHECK(!find(ELSEWHERE, "192.0.2.1", mac)); /* by another interface */
    wait_for_answers();
    CHECK(!find(2, "203.0.113.1", mac) && !find(3, NEAR_IP, mac) && !find(4, "10.77.0.255", mac));
    CHECK(!find(5, "224.0.0.1", mac) && !find(ELSEWHERE, "192.0.2.1", mac));
}

/* A slot knows one destination: after another one, the first is a new question. */
static void test_another_destination(void)
{
    uint8_t mac[FRAME_MAC];
    wait_for(0, FAR_IP, far_mac);
    CHECK(!find(0, "203.0.113.1", mac));
    CHECK(!find(0, FAR_IP, mac));
    wait_for(0, FAR_IP, far_mac);
    neighbour_forget(neighbours, 0);
    CHECK(!find(0, FAR_IP, mac));
    wait_for(0, FAR_IP, far_mac);
}

static void test_changes(void)
{
    wait_for(0, FAR_IP, far_mac);
    run("ip neigh replace " FAR_IP " lladdr 02:00:00:00:77:03 dev near");
    wait_for(0, FAR_IP, new_mac);
    wait_for(1, "198.51.100.9", new_mac);
    run("ip neigh del " FAR_IP " dev near");
    wait_until_unknown(0, FAR_IP);
    wait_until_unknown(1, "198.51.100.9");
    send_by_the_kernel(NEAR_IP, FAR_IP);
    wait_for(0, FAR_IP, far_mac);
    run("ip route replace 198.51.100.0/24 dev other");
    wait_until_unknown(1, "198.51.100.9");
    run("ip route replace 198.51.100.0/24 via " FAR_IP);
    wait_for(1, "198.51.100.9", far_mac);
}

/* A stale neighbour is used, and the kernel told so, which then asks it: it does not stay stale. */
static void test_staleness(void)
{
    run("ip neigh replace " FAR_IP " lladdr " FAR_MAC " dev near nud stale");
    for (int waited = 0; system("ip neigh show " FAR_IP " dev near | grep -q STALE") == 0;)
        CHECK(patience(&waited));
    wait_for(0, FAR_IP, far_mac);
}

static void test_ipv6(void)
{
    uint8_t mac[FRAME_MAC];
    CHECK(!find(0, FAR_IPV6, mac));
    send_by_the_kernel(NEAR_IPV6, FAR_IPV6);
    wait_for(0, FAR_IPV6, far_mac);
    run("ip route add 2001:db8::/32 via " FAR_IPV6);
    wait_for(1, "2001:db8::7", far_mac);
}

static void open_from(const char *ip)
{
    const struct endpoint local = endpoint_of(ip, 0);
    CHECK(neighbours_open(&neighbours, if_nametoindex("near"), &local, SLOTS) == 0);
}

int main(void)
{
    open_network();
    run("ip link add other type veth peer name nobody");
    run("ip addr add 192.0.2.9/24 dev other && ip link set other up");
    run("ip route add 198.51.100.0/24 via " FAR_IP);
    open_from(NEAR_IP);
    test_ipv4();
    test_another_destination();
    test_changes();
    test_staleness();
    neighbours_close(neighbours);
    open_from(NEAR_IPV6);
    test_ipv6();
    neighbours_close(neighbours);
    return 0;
}
