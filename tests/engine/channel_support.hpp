#pragma once

#include <dualwrite/engine/channel.hpp>

#include <doctest/doctest.h>

#include <fcntl.h>
#include <functional>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <vector>

namespace dualwrite::engine::test {

// A channel over one end of a socket pair, and the other end for the test.
class test_channel final : public channel {
public:
    explicit test_channel(loop& on) : channel(on)
    {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
        near_.reset(ends[0]);
        far.reset(ends[1]);
    }
    // Not started yet: the owner may want to look at the first call.
    void begin(std::unique_ptr<tls_session> tls = nullptr)
    {
        start(transport(std::move(near_), std::move(tls)), false);
    }

    void write_far(std::string_view bytes)
    {
        REQUIRE(
            ::send(far.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == ssize_t(bytes.size())
        );
    }
    // All that has come to the other end; empty: nothing, or the end.
    std::string read_far()
    {
        std::string out;
        std::vector<char> space(1 << 20);
        for (;;) {
            const auto got = ::recv(far.get(), space.data(), space.size(), 0);
            far_ended = got == 0;
            if (got <= 0) return out;
            out.append(space.data(), static_cast<std::size_t>(got));
        }
    }

    unique_fd far;
    bool far_ended{false};
    // Returns what it consumes; empty: all.
    std::function<std::size_t(bytes_view, std::size_t&)> consume;
    std::vector<std::string> seen;  // each view
    int opened{0};
    int closed{0};
    int drained{0};
    std::error_code error;
    std::function<void()> when_closed;

private:
    void on_open() override { ++opened; }
    std::size_t on_bytes(bytes_view bytes, std::size_t& wanted) override
    {
        seen.emplace_back(as_text(bytes));
        return consume ? consume(bytes, wanted) : bytes.size();
    }
    void on_close(std::error_code why) override
    {
        ++closed;
        error = why;
        if (when_closed) when_closed();
    }
    void on_drained() override { ++drained; }

    unique_fd near_;
};

inline void turns(loop& l, int n = 3)
{
    while (n-- > 0) REQUIRE(l.turn(0));
}

}  // namespace dualwrite::engine::test
