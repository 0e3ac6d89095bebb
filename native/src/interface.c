#include "interface.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int ask(int fd, unsigned long what, struct ifreq *request)
{
    return ioctl(fd, what, request) == 0 ? 0 : -errno;
}

/* A driver that cannot tell has one. */
static unsigned count_queues(int fd, struct ifreq *request)
{
    struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
    request->ifr_data = (void *)&channels;
    unsigned queues = ask(fd, SIOCETHTOOL, request) == 0 ? channels.rx_count + channels.combined_count : 0;
    return queues > 0 ? queues : 1;
}

static bool is_veth(int fd, struct ifreq *request)
{
    struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
    request->ifr_data = (void *)&info;
    return ask(fd, SIOCETHTOOL, request) == 0 && strcmp(info.driver, "veth") == 0;
}

static int read_interface(int fd, struct ifreq *request, struct interface *interface)
{
    int error = ask(fd, SIOCGIFINDEX, request);
    if (error != 0)
        return error;
    interface->index = (unsigned)request->ifr_ifindex;
    error = ask(fd, SIOCGIFHWADDR, request);
    if (error != 0 || request->ifr_hwaddr.sa_family != ARPHRD_ETHER)
        return error != 0 ? error : -ENOTSUP;
    memcpy(interface->mac, request->ifr_hwaddr.sa_data, FRAME_MAC);
    error = ask(fd, SIOCGIFMTU, request);
    if (error != 0)
        return error;
    interface->mtu = (size_t)request->ifr_mtu;
    interface->queues = count_queues(fd, request);
    interface->veth = is_veth(fd, request);
    return 0;
}

int interface_find(const char *name, struct interface *interface)
{
    struct ifreq request = {0};
    if (strlen(name) >= sizeof request.ifr_name)
        return -ENODEV;
    strcpy(request.ifr_name, name);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int error = read_interface(fd, &request, interface);
    close(fd);
    return error;
}
