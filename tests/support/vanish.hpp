#pragma once

#include <linux/filter.h>
#include <stdexcept>
#include <sys/socket.h>

namespace dualwrite::test {

// This end's machine is gone without a word, as the other end sees it: whatever comes for the
// socket is dropped before TCP sees it, so that nothing is answered. The socket must not be closed
// before the other end has given up: that would say something.
inline void vanish(int fd)
{
    sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    const sock_fprog program{1, &drop};
    if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
        throw std::runtime_error("SO_ATTACH_FILTER");
}

}  // namespace dualwrite::test
