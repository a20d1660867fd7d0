#include "service_manager.hpp"

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace dualwrite::program {

namespace {

std::uint64_t number_of(const char* variable)
{
    const char* const text = std::getenv(variable);
    if (text == nullptr) return 0;
    const std::string_view all(text);
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(all.data(), all.data() + all.size(), number);
    return error == std::errc{} && end == all.data() + all.size() ? number : 0;
}

// -1: it cannot be, and errno says why.
int connect_to(std::string_view path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return errno = ENAMETOOLONG, -1;
    path.copy(address.sun_path, path.size());
    if (path.starts_with('@')) address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0) return fd;
    const int why = errno;
    ::close(fd);
    errno = why;
    return -1;
}

}  // namespace

service_manager::service_manager()
{
    const char* const path = std::getenv("NOTIFY_SOCKET");
    if (path == nullptr || *path == '\0') return;
    fd_ = connect_to(path);
    if (fd_ < 0) {
        problem_ = std::string("$NOTIFY_SOCKET, ") + path + ": " + std::strerror(errno);
        return;
    }
    const auto whose = number_of("WATCHDOG_PID");
    if (whose != 0 && whose != static_cast<std::uint64_t>(::getpid())) return;
    watchdog_ = std::chrono::microseconds(number_of("WATCHDOG_USEC"));
}

service_manager::~service_manager()
{
    if (fd_ >= 0) ::close(fd_);
}

void service_manager::reloading()
{
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    tell(
        "RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now.tv_sec * 1'000'000 + now.tv_nsec / 1000)
    );
}

void service_manager::extend(std::chrono::seconds time)
{
    tell("EXTEND_TIMEOUT_USEC=" + std::to_string(std::chrono::microseconds(time).count()));
}

void service_manager::alive(clock::time_point now)
{
    tell("WATCHDOG=1");
    next_ = now + watchdog_ / 3;
}

std::uint64_t service_manager::watchdog_ms() const noexcept
{
    using std::chrono::milliseconds;
    return static_cast<std::uint64_t>(std::chrono::duration_cast<milliseconds>(watchdog_).count());
}

void service_manager::tell(const std::string& text)
{
    if (fd_ < 0) return;
    if (::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) >= 0) return;
    problem_ = std::string("cannot tell the service manager: ") + std::strerror(errno);
}

}  // namespace dualwrite::program
