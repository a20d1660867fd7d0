#pragma once

// One end of a CQL connection for the programs of the benchmark: whole reads in, envelopes out;
// envelopes in, one write out. As little as goes, so that what is measured is not this.

#include <dualwrite/protocol/envelope.hpp>
#include <dualwrite/protocol/segment.hpp>

#include <arpa/inet.h>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace dualwrite::bench {

inline constexpr std::size_t read_size = 256 * 1024;

enum class io { done, more, closed };

class wire {
public:
    explicit wire(int socket) noexcept : fd(socket) {}
    wire(const wire&) = delete;
    ~wire() { ::close(fd); }

    const int fd;
    byte_buffer out;  // envelopes that flush() sends

    // All that follows, in both directions, is in segments.
    void use_segments() noexcept { segments_ = true; }

    // One read. `more`: there was nothing.
    io receive()
    {
        const auto before = in_.size();
        const auto got = ::recv(fd, in_.extend(read_size), read_size, 0);
        in_.truncate(before + (got > 0 ? static_cast<std::size_t>(got) : 0));
        if (got > 0) return io::done;
        return got < 0 && (errno == EAGAIN || errno == EINTR) ? io::more : io::closed;
    }

    // True if the peer begins in a version that we do not speak; which, and on which stream.
    bool speaks_another(std::uint8_t& version, std::int16_t& stream) const noexcept
    {
        if (segments_ || in_.size() < protocol::envelope_header_size) return false;
        version = protocol::peek_version(in_.view());
        stream = protocol::peek_stream(in_.view());
        return version < protocol::version_min || version > protocol::version_max;
    }

    // Calls `visit(header, body)` for each whole envelope. Throws on what is no CQL.
    template <class Visit> void each(Visit visit)
    {
        std::size_t used = 0;
        if (segments_)
            while (const auto size = take_segment(in_.view().subspan(used), visit)) used += size;
        else
            while (const auto size = take_envelope(in_.view().subspan(used), visit)) {
                used += size;
                if (segments_) break;  // the visitor switched
            }
        in_.consume(used);
    }

    // Sends `out`. `more`: the socket is full, call again when it has room.
    io flush()
    {
        if (!out.empty()) {
            if (segments_)
                pack();
            else
                sending_.append(out.view());
            out.clear();
        }
        while (sent_ < sending_.size()) {
            const auto sent =
                ::send(fd, sending_.data() + sent_, sending_.size() - sent_, MSG_NOSIGNAL);
            if (sent < 0) return errno == EAGAIN ? io::more : io::closed;
            sent_ += static_cast<std::size_t>(sent);
        }
        sending_.clear();
        sent_ = 0;
        return io::done;
    }

private:
    static protocol::envelope_header header_at(bytes_view in)
    {
        const auto header = protocol::parse_envelope_header(in);
        if (!header) throw std::runtime_error("not CQL: " + header.error().message());
        return *header;
    }

    template <class Visit> std::size_t take_envelope(bytes_view in, Visit& visit)
    {
        if (in.size() < protocol::envelope_header_size) return 0;
        const auto header = header_at(in);
        if (in.size() < header.size()) return 0;
        visit(header, in.subspan(protocol::envelope_header_size, header.body_size));
        return header.size();
    }

    template <class Visit> std::size_t take_segment(bytes_view in, Visit& visit)
    {
        if (in.size() < protocol::segment_header_size(false)) return 0;
        const auto header = protocol::parse_segment_header(in, false);
        if (!header) throw std::runtime_error("not CQL: " + header.error().message());
        const auto size = header->size(false);
        if (in.size() < size) return 0;
        const auto payload = protocol::open_segment(in.first(size), *header, false, unpacked_);
        if (!payload) throw std::runtime_error("not CQL: " + payload.error().message());
        auto envelopes = *payload;
        if (!header->self_contained) {
            spread_.append(envelopes);
            envelopes = spread_.view();
        }
        std::size_t used = 0;
        while (const auto one = take_envelope(envelopes.subspan(used), visit)) used += one;
        if (!header->self_contained) spread_.consume(used);
        return size;
    }

    // Whole envelopes into as few segments as hold them.
    void pack()
    {
        auto rest = out.view();
        while (!rest.empty()) {
            std::size_t size = 0;
            while (size < rest.size()) {
                const auto next = header_at(rest.subspan(size)).size();
                if (size != 0 && size + next > protocol::segment_payload_max) break;
                size += next;
            }
            protocol::append_as_segments(sending_, rest.first(size), false);
            rest = rest.subspan(size);
        }
    }

    bool segments_{false};
    byte_buffer in_;
    byte_buffer spread_;
    byte_buffer unpacked_;
    byte_buffer sending_;
    std::size_t sent_{0};
};

// `--name value` pairs. Unknown names end the program.
class arguments {
public:
    arguments(int count, char** values) : count_(count), values_(values) {}
    std::string text(const std::string& name, const std::string& fallback) const
    {
        for (int i = 1; i + 1 < count_; i += 2)
            if (values_[i] == "--" + name) return values_[i + 1];
        return fallback;
    }
    long number(const std::string& name, long fallback) const
    {
        return std::stol(text(name, std::to_string(fallback)));
    }

private:
    int count_;
    char** values_;
};

inline void pin(long cpu)
{
    if (cpu < 0) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(cpu), &set);
    if (::sched_setaffinity(0, sizeof set, &set) != 0) throw std::runtime_error("cannot pin");
}

inline sockaddr_in loopback(long port)
{
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

inline void no_delay(int fd)
{
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

inline void non_blocking(int fd)
{
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
}

// Blocking.
inline int connect_to(long port)
{
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const auto address = loopback(port);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        throw std::runtime_error("cannot connect to port " + std::to_string(port));
    no_delay(fd);
    return fd;
}

// Announces the port on stdout, for whoever asked for port 0.
inline int listen_on(long port)
{
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    auto address = loopback(port);
    socklen_t size = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    if (::bind(fd, raw, size) != 0 || ::listen(fd, 4096) != 0)
        throw std::runtime_error("cannot listen on port " + std::to_string(port));
    ::getsockname(fd, raw, &size);
    std::printf("port %d\n", ntohs(address.sin_port));
    std::fflush(stdout);
    return fd;
}

}  // namespace dualwrite::bench
