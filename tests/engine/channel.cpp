#include <doctest/doctest.h>

#include <netinet/in.h>
#include <numeric>

#include "channel_support.hpp"

namespace dualwrite::engine::test {

namespace {

std::string pattern(std::size_t size)
{
    std::string out(size, '\0');
    std::uint32_t state = 1;
    for (auto& c : out) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    return out;
}

std::string join(const std::vector<std::string>& parts)
{
    return std::accumulate(parts.begin(), parts.end(), std::string());
}

// A TLS that has decrypted everything already and gives it in pieces: no readiness tells of them.
class decrypted final : public tls_session {
public:
    decrypted(std::string all, std::size_t piece) : all_(std::move(all)), piece_(piece) {}
    io_result handshake() override { return {}; }
    bool handshake_wants_write() const noexcept override { return false; }
    io_result read(mutable_bytes into) override
    {
        if (all_.empty()) return {io_status::again, 0, {}};
        const auto size = std::min({piece_, all_.size(), into.size()});
        std::memcpy(into.data(), all_.data(), size);
        all_.erase(0, size);
        return {io_status::ok, size, {}};
    }
    io_result write_parts(std::span<const iovec>) override { return {io_status::again, 0, {}}; }
    std::size_t buffered() const noexcept override { return all_.size(); }
    std::string why() const override { return {}; }

private:
    std::string all_;
    std::size_t piece_;
};

}  // namespace

TEST_SUITE_BEGIN("engine/channel");

TEST_CASE("channel: is open at once on a connected socket, and hands out what comes")
{
    loop l;
    test_channel c(l);
    c.begin();
    CHECK(c.opened == 1);
    c.write_far("hello");
    turns(l);
    CHECK(c.seen == std::vector<std::string>{"hello"});
}

TEST_CASE("channel: what is not consumed comes again, with more behind it")
{
    loop l;
    test_channel c(l);
    c.consume = [](bytes_view bytes, std::size_t&) { return bytes.size() / 4 * 4; };
    c.begin();
    for (const auto part : {"ab", "cdef", "g", "h", "ijklm"}) {
        c.write_far(part);
        turns(l);
    }
    CHECK(c.seen == std::vector<std::string>{"ab", "abcdef", "efg", "efgh", "ijklm"});
}

TEST_CASE("channel: a message is whole in one view, however its bytes come")
{
    // Length, then as many bytes.
    const auto message = [](std::uint32_t size) {
        std::string out(4, '\0');
        store_be(reinterpret_cast<std::byte*>(out.data()), size);
        return out + pattern(size);
    };
    const auto wire =
        message(300'000) + message(5) + message(0) + message(70'000) + message(131'072);
    for (const std::size_t piece : {1'000u, 4'093u, 65'536u, 262'144u, 1'000'000u}) {
        CAPTURE(piece);
        loop l;
        test_channel c(l);
        std::vector<std::string> got;
        std::size_t calls = 0;
        c.consume = [&](bytes_view bytes, std::size_t& wanted) {
            ++calls;
            std::size_t at = 0;
            while (bytes.size() - at >= 4) {
                const auto size = 4 + load_be<std::uint32_t>(bytes.data() + at);
                wanted = size;
                if (bytes.size() - at < size) break;
                got.emplace_back(as_text(bytes.subspan(at, size)));
                at += size;
                wanted = 0;
            }
            return at;
        };
        c.begin();
        ::fcntl(c.far.get(), F_SETFL, 0);
        const int space = 1 << 20;
        ::setsockopt(c.far.get(), SOL_SOCKET, SO_SNDBUF, &space, sizeof space);
        std::size_t pieces = 0;
        for (std::size_t at = 0; at < wire.size(); at += piece) {
            ++pieces;
            c.write_far(std::string_view(wire).substr(at, piece));
            turns(l, 8);
        }
        CHECK(join(got) == wire);
        CHECK(got.size() == 5);
        // One for each piece would be copying a large message again and again.
        if (piece == 1'000) CHECK(calls < pieces / 2);
    }
}

TEST_CASE("channel: sends in order what is lent and what is copied, with and without a backlog")
{
    loop l;
    test_channel c(l);
    c.begin();
    const auto bytes = pattern(8 << 20);
    std::string sent;
    std::string got;
    for (std::size_t at = 0; at < bytes.size();) {
        const auto size = std::min<std::size_t>(bytes.size() - at, 1 + at % 300'000);
        const auto part = as_bytes(std::string_view(bytes).substr(at, size));
        if (at % 3 == 0) {
            c.send_copy(part);
        } else {
            c.send(part.first(size / 2));  // adjacent: they leave as one
            c.send(part.subspan(size / 2));
        }
        at += size;
        turns(l, 1);
        if (at % 5 == 0) got += c.read_far();
    }
    CHECK(c.backlog() != 0);
    while (got.size() < bytes.size()) {
        got += c.read_far();
        turns(l, 1);
    }
    CHECK(got == bytes);
    CHECK(c.backlog() == 0);
    CHECK(c.drained > 0);
    CHECK_FALSE(c.has_unsent());
}

TEST_CASE("channel: what was lent may go when the turn has been flushed")
{
    loop l;
    test_channel c(l);
    c.begin();
    auto lent = pattern(4 << 20);  // more than the socket takes
    const auto original = lent;
    c.send(as_bytes(lent));
    turns(l, 1);
    std::fill(lent.begin(), lent.end(), 'x');
    std::string got;
    while (got.size() < original.size()) {
        got += c.read_far();
        turns(l, 1);
    }
    CHECK(got == original);
    CHECK(c.drained == 1);
}

TEST_CASE("channel: reads nothing while it is paused, and goes on where it was")
{
    loop l;
    test_channel c(l);
    c.begin();
    c.pause_reading(true);
    CHECK(c.reading_paused());
    c.write_far("later");
    turns(l);
    CHECK(c.seen.empty());
    c.pause_reading(false);
    turns(l);
    CHECK(c.seen == std::vector<std::string>{"later"});
}

TEST_CASE("channel: notices a peer that is gone even while it is paused")
{
    loop l;
    test_channel c(l);
    c.begin();
    c.pause_reading(true);
    c.far.reset();
    turns(l);
    CHECK(c.closed == 1);
    CHECK(c.where() == channel::state::closed);
}

TEST_CASE("channel: the end of the peer is told once, without an error")
{
    loop l;
    test_channel c(l);
    c.begin();
    c.write_far("bye");
    c.far.reset();
    turns(l, 5);
    CHECK(c.seen == std::vector<std::string>{"bye"});
    CHECK(c.closed == 1);
    CHECK_FALSE(c.error);
    c.send(as_bytes("nobody hears it"));
    turns(l);
    CHECK(c.closed == 1);
}

TEST_CASE("channel: closes when all is sent, and reads nothing any more")
{
    loop l;
    test_channel c(l);
    c.begin();
    const auto bytes = pattern(4 << 20);
    c.send_copy(as_bytes(bytes));
    c.close_when_sent();
    c.write_far("too late");
    turns(l);
    CHECK(c.closed == 0);
    std::string got;
    while (!c.far_ended && got.size() <= bytes.size()) {
        got += c.read_far();
        turns(l, 1);
    }
    CHECK(got == bytes);
    CHECK(c.closed == 1);
    CHECK_FALSE(c.error);
    CHECK(c.seen.empty());
}

TEST_CASE("channel: close() is at once and calls nobody")
{
    loop l;
    test_channel c(l);
    c.begin();
    c.send(as_bytes("never"));
    c.close();
    turns(l);
    CHECK(c.closed == 0);
    CHECK(c.read_far().empty());
    CHECK(c.far_ended);
}

TEST_CASE("channel: may be closed from its own callback")
{
    loop l;
    test_channel c(l);
    c.consume = [&](bytes_view, std::size_t&) {
        c.close();
        return std::size_t{0};
    };
    c.begin();
    c.write_far("first");
    turns(l);
    CHECK(c.seen.size() == 1);
    CHECK(c.where() == channel::state::closed);
}

TEST_CASE("channel: a refused connection is told with the reason")
{
    // Bound and not listening.
    unique_fd port(::socket(AF_INET, SOCK_STREAM, 0));
    socket_address address;
    address.size = sizeof address.storage;
    address.storage.ss_family = AF_INET;
    auto* const raw = reinterpret_cast<sockaddr*>(&address.storage);
    REQUIRE(::bind(port.get(), raw, sizeof(sockaddr_in)) == 0);
    REQUIRE(::getsockname(port.get(), raw, &address.size) == 0);
    loop l;
    test_channel c(l);
    auto fd = start_connect(address);
    if (fd) {
        c.start(transport(std::move(*fd)), true);
        for (int i = 0; i < 100 && c.closed == 0; ++i) l.turn(50);
        CHECK(c.closed == 1);
        CHECK(c.error == std::errc::connection_refused);
        CHECK(c.opened == 0);
    } else {
        CHECK(fd.error() == std::errc::connection_refused);
    }
}

TEST_CASE("channel: can be started again after it was closed, with nothing left of before")
{
    loop l;
    test_channel c(l);
    c.consume = [](bytes_view, std::size_t& wanted) {
        wanted = 1'000'000;
        return std::size_t{0};
    };
    c.begin();
    c.write_far(pattern(100'000));
    turns(l);
    c.send_copy(as_bytes("old"));
    c.close();
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    c.far.reset(ends[1]);
    c.seen.clear();
    c.consume = {};
    c.start(transport(unique_fd(ends[0])), false);
    c.write_far("new");
    turns(l);
    CHECK(c.seen == std::vector<std::string>{"new"});
    CHECK(c.read_far().empty());
}

TEST_CASE("channel: decrypted bytes that were left when reading paused come when it goes on")
{
    loop l;
    test_channel c(l);
    c.consume = [&](bytes_view bytes, std::size_t&) {
        c.pause_reading(true);
        return bytes.size();
    };
    c.begin(std::make_unique<decrypted>("abcdef", 2));
    turns(l);
    CHECK(join(c.seen) == "ab");
    c.pause_reading(false);
    turns(l);
    CHECK(join(c.seen) == "abcd");
    c.pause_reading(false);
    c.pause_reading(true);
    turns(l);
    CHECK(join(c.seen) == "abcd");
    c.pause_reading(false);
    turns(l);
    CHECK(join(c.seen) == "abcdef");
}

TEST_CASE("channel: a message that the budget has no room for is read no further until it has")
{
    memory_budget budget(1000);
    loop l;
    l.set_memory(&budget);
    {
        test_channel first(l);
        test_channel second(l);
        for (auto* c : {&first, &second}) {
            c->consume = [c](bytes_view, std::size_t& wanted) {
                wanted = 800;
                c->expect(800);
                return std::size_t{0};
            };
            c->begin();
            c->write_far("head");
            turns(l);
        }
        CHECK_FALSE(first.is_starved());
        CHECK(second.is_starved());
        CHECK(second.reading_paused());
        CHECK(budget.used() >= 800);
        CHECK(budget.used() < 1000);
        second.write_far("more");
        turns(l);
        CHECK(second.seen.size() == 1);
        CHECK_FALSE(second.admit_expected());
        first.close();
        CHECK(second.admit_expected());
        turns(l);
        CHECK(second.seen.back() == "headmore");
    }
    CHECK(budget.used() == 0);
}

TEST_CASE("channel: what the peer does not take is counted until it has taken it, or is gone")
{
    memory_budget budget(64 << 20);
    loop l;
    l.set_memory(&budget);
    {
        test_channel c(l);
        c.begin();
        c.send_copy(as_bytes(pattern(4 << 20)));
        turns(l);
        CHECK(c.backlog() > 0);
        CHECK(budget.used() >= c.backlog());
        while (c.has_unsent()) {
            c.read_far();
            turns(l);
        }
        CHECK(budget.used() == 0);
        c.send_copy(as_bytes(pattern(4 << 20)));
        turns(l);
        CHECK(budget.used() > 0);
    }
    CHECK(budget.used() == 0);
}

TEST_SUITE_END();

}  // namespace dualwrite::engine::test
