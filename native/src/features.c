/* What this build can do; `clutch doctor` and native.features() print it. */
#include "media.h"

const char *native_features(void)
{
    return "udp"
#ifdef HAVE_IO_URING
           " io_uring"
#endif
#ifdef HAVE_BPF
           " af_xdp"
#endif
#ifdef HAVE_OPUS
           " opus"
#endif
#ifdef HAVE_SRTP
           " srtp"
#endif
#ifdef HAVE_BPF
           " steering"
#endif
        ;
}
