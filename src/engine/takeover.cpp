#include "takeover.hpp"

#include <dualwrite/base/error.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <span>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include "listening.hpp"

namespace dualwrite::engine {

namespace {

// The kernel takes 253 in one message.
constexpr std::size_t descriptors_max = 64;
constexpr std::size_t word_size_max = 16;
// The running one answers its clients for two seconds at most, and closes its files.
constexpr std::int64_t free_limit_ms = 60'000;
constexpr std::int64_t answer_limit_ms = 10'000;
constexpr std::int64_t greeting_limit_ms = 1'000;

// Paths of sockets are at most 107 bytes long, those of state directories are not.
class socket_path {
public:
    explicit socket_path(const std::string& state_dir)
        : directory_(::open(state_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC))
    {
        address_.sun_family = AF_UNIX;
        const auto path = "/proc/self/fd/" + std::to_string(directory_.get()) + "/takeover";
        path.copy(address_.sun_path, sizeof address_.sun_path - 1);
    }
    explicit operator bool() const noexcept { return static_cast<bool>(directory_); }
    const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&address_); }
    socklen_t size() const noexcept { return sizeof address_; }

private:
    unique_fd directory_;
    sockaddr_un address_{};
};

std::error_code last_error() noexcept
{
    return {errno, std::generic_category()};
}

bool is_readable(int fd, std::int64_t limit_ms)
{
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms);
    pollfd wait{fd, POLLIN, 0};
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now()
        );
        const auto left_ms = std::max<std::int64_t>(left.count(), 0);
        const int ready = ::poll(&wait, 1, static_cast<int>(left_ms));
        if (ready >= 0 || errno != EINTR) return ready > 0;
    }
}

bool send_word(int fd, std::string_view word, std::span<const int> descriptors = {})
{
    iovec text{const_cast<char*>(word.data()), word.size()};
    msghdr message{};
    message.msg_iov = &text;
    message.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(descriptors_max * sizeof(int))> control{};
    if (!descriptors.empty()) {
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
        auto* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
        std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
    }
    return ::sendmsg(fd, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(word.size());
}

struct packet {
    std::string word;  // empty: the other side is gone
    std::vector<unique_fd> descriptors;
};

// Empty: nothing came within the limit.
std::optional<packet> receive(int fd, std::int64_t limit_ms)
{
    if (!is_readable(fd, limit_ms)) return {};
    std::array<char, word_size_max> bytes{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(descriptors_max * sizeof(int))> control{};
    iovec text{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &text;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const auto size = ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    packet out;
    for (auto* its = size < 0 ? nullptr : CMSG_FIRSTHDR(&message); its != nullptr;
         its = CMSG_NXTHDR(&message, its)) {
        if (its->cmsg_level != SOL_SOCKET || its->cmsg_type != SCM_RIGHTS) continue;
        for (std::size_t at = 0; at + sizeof(int) <= its->cmsg_len - CMSG_LEN(0);
             at += sizeof(int)) {
            int descriptor = -1;
            std::memcpy(&descriptor, CMSG_DATA(its) + at, sizeof descriptor);
            out.descriptors.emplace_back(descriptor);
        }
    }
    if (size > 0) out.word.assign(bytes.data(), static_cast<std::size_t>(size));
    return out;
}

}  // namespace

listening_sockets listening_sockets::copy() const
{
    listening_sockets out;
    for (const auto& its : clients) out.clients.push_back(copy_of(its));
    out.metrics = copy_of(metrics);
    return out;
}

result<std::optional<takeover>> takeover::ask(const std::string& state_dir, std::string& why)
{
    using namespace std::chrono_literals;
    // One that goes away without having given anything has just ended, or was taken over from by
    // somebody else, who will listen in its place.
    for (int attempt = 0; attempt < 20; ++attempt) {
        const socket_path path(state_dir);
        unique_fd peer(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        if (!peer) return fail(last_error());
        if (!path || ::connect(peer.get(), path.get(), path.size()) != 0)
            return std::optional<takeover>();
        takeover made(std::move(peer));
        if (send_word(made.peer_.get(), "take")) {
            DW_TRY(given, made.receive_sockets(why));
            if (given) return std::optional(std::move(made));
        }
        std::this_thread::sleep_for(100ms);
    }
    return std::optional<takeover>();
}

result<bool> takeover::receive_sockets(std::string& why)
{
    for (;;) {
        auto next = receive(peer_.get(), answer_limit_ms);
        if (!next) {
            why = "the proxy that runs on this state directory does not answer: it is not taken "
                  "over from";
            return fail(errc::timed_out);
        }
        if (next->word == "all") return true;
        if (next->word.empty()) return sockets = {}, false;
        for (auto& its : next->descriptors) {
            if (next->word == "clients")
                sockets.clients.push_back(std::move(its));
            else if (next->word == "metrics")
                sockets.metrics = std::move(its);
        }
    }
}

result<void> takeover::wait_until_free(std::string& why)
{
    const auto next = receive(peer_.get(), free_limit_ms);
    if (next) return {};  // `free`, or it is gone: then the lock is
    why = "the proxy that runs on this state directory does not give it up";
    return fail(errc::timed_out);
}

void takeover::serving() noexcept
{
    // If it is gone, so much the better.
    (void)send_word(peer_.get(), "serving");
}

result<unique_fd> listen_for_takeover(const std::string& state_dir)
{
    forget_takeover(state_dir);
    const socket_path path(state_dir);
    unique_fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!path || !fd) return fail(last_error());
    if (::bind(fd.get(), path.get(), path.size()) != 0 || ::listen(fd.get(), 4) != 0)
        return fail(last_error());
    return fd;
}

void forget_takeover(const std::string& state_dir) noexcept
{
    const unique_fd directory(::open(state_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (directory) ::unlinkat(directory.get(), "takeover", 0);
}

std::optional<takeover_peer> takeover_peer::accept(int listener)
{
    unique_fd fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) return {};
    ucred who{};
    socklen_t size = sizeof who;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return {};
    if (who.uid != ::geteuid() && who.uid != 0) return {};
    const auto first = receive(fd.get(), greeting_limit_ms);
    if (!first || first->word != "take") return {};
    return takeover_peer(std::move(fd), who.pid);
}

bool takeover_peer::give(const listening_sockets& sockets)
{
    std::vector<int> all;
    for (const auto& its : sockets.clients) all.push_back(its.get());
    for (std::span<const int> left(all); !left.empty();) {
        const auto some = left.first(std::min(left.size(), descriptors_max));
        if (!send_word(fd_.get(), "clients", some)) return false;
        left = left.subspan(some.size());
    }
    if (const int one = sockets.metrics.get(); one >= 0)
        if (!send_word(fd_.get(), "metrics", std::span(&one, 1))) return false;
    return send_word(fd_.get(), "all");
}

bool takeover_peer::say_free()
{
    return send_word(fd_.get(), "free");
}

std::optional<bool> takeover_peer::is_serving(std::int64_t limit_ms)
{
    const auto next = receive(fd_.get(), limit_ms);
    if (!next) return {};
    return next->word == "serving";
}

// It says nothing before it is told `free`.
bool takeover_peer::is_gone()
{
    return is_readable(fd_.get(), 0);
}

}  // namespace dualwrite::engine
