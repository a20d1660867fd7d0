#include "../../src/engine/takeover.hpp"

#include <dualwrite/engine/unique_fd.hpp>

#include <doctest/doctest.h>

#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;
using engine::unique_fd;

namespace {

std::string insert(int i)
{
    return "INSERT INTO k.t (a) VALUES (" + std::to_string(i) + ")";
}

// A second proxy beside the rig's own, as another process would be.
class next_proxy {
public:
    explicit next_proxy(proxy_rig& rig) : options_(rig.options) { options_.take_over = true; }
    engine::proxy_options& options() { return options_; }

    bool start()
    {
        auto made = engine::proxy::start(
            options_, [](auto, auto) {}, why
        );
        if (made) proxy_ = std::move(*made);
        return proxy_ != nullptr;
    }
    engine::proxy& operator*() { return *proxy_; }
    engine::proxy* operator->() { return proxy_.get(); }
    std::string why;

private:
    engine::proxy_options options_;
    std::unique_ptr<engine::proxy> proxy_;
};

sockaddr_un door_of(const proxy_rig& rig)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (rig.options.state_dir + "/takeover").copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
}

// One who comes to take over, and says what the test says.
class taker {
public:
    explicit taker(const proxy_rig& rig) : fd_(::socket(AF_UNIX, SOCK_SEQPACKET, 0))
    {
        const auto address = door_of(rig);
        REQUIRE(
            ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0
        );
    }
    void say(std::string_view word)
    {
        REQUIRE(::send(fd_.get(), word.data(), word.size(), MSG_NOSIGNAL) > 0);
    }
    // The next word; descriptors that come with it are lost. Empty: the other side is gone.
    std::string hear()
    {
        char word[16];
        const auto size = ::recv(fd_.get(), word, sizeof word, 0);
        return size > 0 ? std::string(word, static_cast<std::size_t>(size)) : std::string();
    }
    void hear_until(std::string_view word)
    {
        for (std::string heard; heard != word;) REQUIRE_FALSE((heard = hear()).empty());
    }

private:
    unique_fd fd_;
};

bool serves(proxy_rig& rig, int i)
{
    try {
        return !rig.client().query(insert(i)).is_error();
    } catch (const wire_error&) {
        return false;
    }
}

}  // namespace

TEST_SUITE_BEGIN("engine/takeover");

TEST_CASE("takeover: the next one serves on the same ports and delivers what was left")
{
    proxy_rig rig;
    rig.options.metrics = true;
    rig.options.metrics_port = 0;
    rig.target.set_script([](const seen_request&) { return reply::nothing(); });
    rig.start();
    auto client = rig.client();
    CHECK_FALSE(client.query(insert(1)).is_error());

    next_proxy next(rig);
    REQUIRE_MESSAGE(next.start(), next.why);
    CHECK(next->port() == rig.running().port());
    CHECK(next->metrics_port() == rig.running().metrics_port());
    CHECK(client.is_closed());
    CHECK(rig.running().wait(20'000));
    CHECK(rig.running().successor() == ::getpid());
    CHECK(rig.running().failure().empty());
    CHECK(rig.number("backlog") == 1);  // as it was when it ended

    rig.target.set_script({});
    rig.target.drop_connections();
    CHECK(serves(rig, 2));
    CHECK(rig.target.wait_for(3, is_write));  // the first one twice
    next->stop(20'000);
    CHECK(next->wait(20'000));
}

TEST_CASE("takeover: requests in flight are answered by the one that has them")
{
    proxy_rig rig;
    rig.source.set_script([](const seen_request&) { return reply::normal().after(300); });
    rig.start();
    auto client = rig.client();
    client.send(protocol::opcode::query, query_body(4, insert(1)), 7);
    REQUIRE(rig.source.wait_for(1, is_write));
    next_proxy next(rig);
    REQUIRE_MESSAGE(next.start(), next.why);
    const auto got = client.receive();
    CHECK(got.stream() == 7);
    CHECK_FALSE(got.is_error());
    CHECK(client.is_closed());
}

TEST_CASE("takeover: a request that the source does not answer ends with its connection, in time")
{
    proxy_rig rig;
    rig.options.patience.release_ms = 200;
    rig.source.set_script([](const seen_request& r) {
        return is_write(r) ? reply::nothing() : reply::normal();
    });
    rig.start();
    auto client = rig.client();
    client.send(protocol::opcode::query, query_body(4, insert(1)), 7);
    REQUIRE(rig.source.wait_for(1, is_write));
    next_proxy next(rig);
    REQUIRE_MESSAGE(next.start(), next.why);
    CHECK(client.is_closed());
    rig.source.set_script({});
    rig.source.drop_connections();
    CHECK(rig.target.wait_for(1, is_write));  // its outcome was open: it went to both sides
}

TEST_CASE("takeover: with other numbers of threads, whoever has connected is served")
{
    for (const auto& [before, after] : {std::pair{4U, 1U}, std::pair{1U, 4U}}) {
        CAPTURE(before);
        proxy_rig rig;
        rig.options.threads = before;
        // Nobody is accepted before the next one does it.
        rig.source.set_script([](const seen_request&) { return reply::held(); });
        rig.start();
        auto busy = rig.client();
        busy.send(protocol::opcode::query, query_body(4, insert(1)), 1);
        REQUIRE(rig.source.wait_for(1, is_write));
        next_proxy next(rig);
        next.options().threads = after;
        std::thread taking([&] { next.start(); });
        REQUIRE(eventually([&] { return rig.has_logged("takes over"); }));
        std::vector<wire_client> waiting;
        for (int i = 0; i < 16; ++i) waiting.emplace_back(rig.running().port());
        rig.source.set_script({});
        rig.source.answer_held();
        taking.join();
        for (auto& its : waiting)
            CHECK(its.ask(protocol::opcode::options, {}).op() == protocol::opcode::supported);
    }
}

TEST_CASE("takeover: whoever dies on the way leaves a proxy that serves on the same port")
{
    const std::vector<std::string> stages = {"", "take", "all", "free"};
    for (const auto& stage : stages) {
        CAPTURE(stage);
        proxy_rig rig;
        rig.start();
        CHECK(serves(rig, 1));
        {
            taker its(rig);
            if (!stage.empty()) its.say("take");
            if (stage == "all" || stage == "free") its.hear_until(stage);
        }
        CHECK(eventually([&] { return serves(rig, 2); }));
        CHECK_FALSE(rig.running().wait(0));
        CHECK(rig.running().successor() == 0);
        CHECK(rig.is_delivered());
        // And the next one finds a door again.
        next_proxy next(rig);
        REQUIRE_MESSAGE(eventually([&] { return next.start(); }), next.why);
        CHECK(next->port() == rig.running().port());
        CHECK(rig.running().wait(20'000));
    }
}

TEST_CASE("takeover: junk at the door changes nothing")
{
    proxy_rig rig;
    rig.start();
    auto client = rig.client();
    {
        taker its(rig);
        its.say("give me all");
        CHECK(its.hear().empty());
    }
    CHECK_FALSE(client.query(insert(1)).is_error());
    CHECK_FALSE(rig.has_logged("takes over"));
}

TEST_CASE("takeover: stopped while the other one is slow, it ends, and the other one goes on")
{
    proxy_rig rig;
    rig.start();
    taker its(rig);
    its.say("take");
    its.hear_until("free");
    rig.running().stop(0);
    CHECK(rig.running().wait(20'000));
    CHECK(rig.running().successor() == 0);
    next_proxy next(rig);
    REQUIRE_MESSAGE(next.start(), next.why);
}

TEST_CASE("takeover: without anybody to take over from, it is an ordinary start")
{
    proxy_rig rig;
    rig.options.take_over = true;
    rig.start();
    CHECK(rig.has_logged("no proxy runs on this state directory"));
    CHECK(serves(rig, 1));
    // Without it, a second one is told of it.
    next_proxy second(rig);
    second.options().take_over = false;
    CHECK_FALSE(second.start());
    CHECK(second.why.find("--take-over") != std::string::npos);
}

TEST_CASE("takeover: one that has found something wrong with itself does not ask")
{
    proxy_rig rig;
    rig.start();
    auto client = rig.client();
    next_proxy next(rig);
    next.options().listen_tls_cert_file = "/no/such/file";
    CHECK_FALSE(next.start());
    CHECK_FALSE(client.query(insert(1)).is_error());
    CHECK_FALSE(rig.has_logged("takes over"));
}

TEST_CASE("takeover: another port is opened, and the old one closed")
{
    proxy_rig rig;
    rig.start();
    const auto old_port = rig.running().port();
    next_proxy next(rig);
    {
        const wire_client nobody(old_port);  // a port that was free a moment ago
    }
    next.options().listen_host = "127.0.0.2";
    REQUIRE_MESSAGE(next.start(), next.why);
    CHECK(rig.running().wait(20'000));
    CHECK_THROWS_AS(wire_client{old_port}, wire_error);
}

TEST_CASE("takeover: a running one that dies on the way is replaced by the one that asked")
{
    using engine::takeover;
    proxy_rig rig;
    std::filesystem::create_directory(rig.options.state_dir);
    for (const bool gives : {false, true}) {
        CAPTURE(gives);
        auto door = engine::listen_for_takeover(rig.options.state_dir);
        REQUIRE(door);
        std::thread running([&] {
            std::optional<engine::takeover_peer> peer;
            eventually([&] {
                return (peer = engine::takeover_peer::accept(door->get())).has_value();
            });
            if (!peer) return;
            engine::listening_sockets sockets;
            if (gives) (void)peer->give(sockets);
            peer.reset();
            door->reset();
            engine::forget_takeover(rig.options.state_dir);
        });
        next_proxy next(rig);
        CHECK_MESSAGE(next.start(), next.why);
        running.join();
        next->stop(0);
        CHECK(next->wait(20'000));
    }
}

TEST_SUITE_END();
