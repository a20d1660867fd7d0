// The programs of docs/examples/, between two fake clusters.
#include <dualwrite/protocol/response.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "../support/proxy_rig.hpp"

using namespace dualwrite;
using namespace dualwrite::test;
using protocol::error_code;
using protocol::opcode;

namespace {

// A program whose first line of output ends with its port.
class program {
public:
    explicit program(std::vector<std::string> words)
    {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::dup2(ends[1], STDOUT_FILENO);
            ::close(ends[0]);
            ::close(ends[1]);
            std::vector<char*> raw;
            for (auto& word : words) raw.push_back(word.data());
            raw.push_back(nullptr);
            ::execv(raw[0], raw.data());
            ::_exit(127);
        }
        ::close(ends[1]);
        out_ = ::fdopen(ends[0], "r");
        const auto line = next_line();
        REQUIRE(line.find("listening on ") == 0);
        port_ = static_cast<std::uint16_t>(std::atoi(line.c_str() + 13));
    }
    ~program()
    {
        if (pid_ > 0) ::kill(pid_, SIGKILL), ::waitpid(pid_, nullptr, 0);
        std::fclose(out_);
    }

    std::uint16_t port() const noexcept { return port_; }
    // All that it has still printed; `code` is its exit code.
    std::string end(int& code)
    {
        ::kill(pid_, SIGTERM);
        std::string said;
        for (auto line = next_line(); !line.empty(); line = next_line()) said += line;
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
        return said;
    }

private:
    std::string next_line()
    {
        char text[16 * 1024];
        return std::fgets(text, sizeof text, out_) == nullptr ? "" : text;
    }

    pid_t pid_{-1};
    FILE* out_{nullptr};
    std::uint16_t port_{0};
};

struct clusters {
    clusters()
    {
        for (auto* side : {&source, &target}) {
            side->add_table("shop", "orders");
            side->add_table("shop", "visits");
        }
    }
    std::string source_port() const { return std::to_string(source.port()); }
    std::string target_port() const { return std::to_string(target.port()); }

    fake_cluster source{"source"};
    fake_cluster target{"target"};
};

std::string folder()
{
    auto name = (std::filesystem::temp_directory_path() / "dualwrite-example-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    return name;
}

const std::string insert = "INSERT INTO shop.orders (id, item) VALUES (1, 'tea')";

// Clients write while the target is away, and the writes arrive, with the source's write times.
void check_dual_writing(clusters& both, std::uint16_t port)
{
    both.target.down();
    wire_client client(port, client_settings{});
    CHECK(client.query(insert).op() == opcode::result);
    const auto id = client.prepare("UPDATE shop.orders SET item = ? WHERE id = ?");
    CHECK(client.execute(id, bound_values().of("milk").of(2)).op() == opcode::result);
    const auto batch = batch_body(4, {{.text = insert}, {.text = insert}});
    CHECK(client.ask(opcode::batch, batch).op() == opcode::result);
    CHECK(client.query("SELECT item FROM shop.orders").op() == opcode::result);
    REQUIRE(both.source.wait_for_writes(3));
    CHECK(both.target.writes().empty());
    both.target.up();
    REQUIRE(both.target.wait_for_writes(3));
    for (const auto& sent : both.source.writes()) {
        CAPTURE(sent->text);
        REQUIRE(sent->timestamp_us);
        CHECK(both.target.wait_for(1, [&](const seen_request& got) {
            return got.is_write() && got.timestamp_us == sent->timestamp_us &&
                   got.values == sent->values;
        }));
    }
    CHECK(both.target.count([](const seen_request& r) { return r.begins_with("SELECT"); }) == 0);
}

}  // namespace

TEST_SUITE_BEGIN("packaging/examples");

TEST_CASE("epoll_gateway: writes reach the target although it was away")
{
    clusters both;
    program gateway({DW_EXAMPLES "/epoll_gateway", "0", both.source_port(), both.target_port()});
    check_dual_writing(both, gateway.port());
    int code = -1;
    CHECK(gateway.end(code) == "3 writes at the target, 0 on their way, 0 not replicated\n");
    CHECK(code == 0);
}

TEST_CASE("epoll_gateway: what the source refuses stays away, what it leaves open is found out")
{
    std::atomic<int> n{0};
    clusters both;
    program gateway({DW_EXAMPLES "/epoll_gateway", "0", both.source_port(), both.target_port()});
    wire_client client(gateway.port(), client_settings{});
    both.source.set_script([](const seen_request&) { return reply::error(error_code::invalid); });
    CHECK(client.query(insert).is_error());
    both.source.set_script([&n](const seen_request&) {
        return n++ < 2 ? reply::error(error_code::write_timeout, "late", "SIMPLE")
                       : reply::normal();
    });
    CHECK(client.query(insert).is_error());
    REQUIRE(both.target.wait_for_writes(1));
    const auto seen = both.source.requests(is_write);
    REQUIRE(seen.size() == 4);
    CHECK(seen[3]->timestamp_us == seen[1]->timestamp_us);
    CHECK(both.target.writes()[0]->timestamp_us == seen[1]->timestamp_us);
    CHECK(seen[0]->timestamp_us != seen[1]->timestamp_us);
}

TEST_CASE("epoll_gateway: keyspaces of USE, errors of the target, and what it cannot do")
{
    std::atomic<int> n{0};
    clusters both;
    program gateway({DW_EXAMPLES "/epoll_gateway", "0", both.source_port(), both.target_port()});
    CHECK(wire_client(gateway.port()).ask(opcode::options, "").op() == opcode::supported);
    wire_client client(gateway.port(), client_settings{});
    both.target.set_script([&n](const seen_request&) {
        return n++ == 0 ? reply::error(error_code::overloaded) : reply::normal();
    });
    CHECK(client.query("USE shop").op() == opcode::result);
    CHECK(client.query("INSERT INTO orders (id) VALUES (7)").op() == opcode::result);
    REQUIRE(both.target.wait_for_writes(1));
    CHECK(both.target.writes()[0]->text == "INSERT INTO \"shop\".orders (id) VALUES (7)");
    CHECK(client.query("UPDATE visits SET n = n + 1 WHERE page = 'a'").op() == opcode::result);
    CHECK(client.query("INSERT INTO orders (id) VALUES (1) IF NOT EXISTS").op() == opcode::result);
    CHECK(client.query("CREATE TABLE shop.more (a int PRIMARY KEY)").op() == opcode::result);
    int code = -1;
    CHECK(gateway.end(code) == "1 writes at the target, 0 on their way, 3 not replicated\n");
    CHECK(code == 0);
}

TEST_CASE("asio_gateway: writes reach the target although it was away")
{
    clusters both;
    const auto state = folder();
    program gateway(
        {DW_EXAMPLES "/asio_gateway",
         "0",
         "127.0.0.1:" + both.source_port(),
         "127.0.0.1:" + both.target_port(),
         state}
    );
    check_dual_writing(both, gateway.port());
    int code = -1;
    const auto said = gateway.end(code);
    CHECK(said.find("\"replicated\":3") != std::string::npos);
    CHECK(code == 0);
    std::filesystem::remove_all(state);
}

TEST_CASE("proxy.c: writes reach the target although it was away")
{
    clusters both;
    const auto state = folder();
    program proxy(
        {DW_EXAMPLES "/c_proxy",
         "127.0.0.1",
         "127.0.0.1",
         "source-port",
         both.source_port(),
         "target-port",
         both.target_port(),
         "disable-source-tls",
         "true",
         "disable-target-tls",
         "true",
         "proxy-host",
         "127.0.0.1",
         "proxy-port",
         "0",
         "metrics",
         "false",
         "wait",
         "false",
         "state-dir",
         state}
    );
    check_dual_writing(both, proxy.port());
    int code = -1;
    const auto said = proxy.end(code);
    CHECK(said.find("3 writes at the target, 0 on their way\n") != std::string::npos);
    CHECK(code == 0);
    std::filesystem::remove_all(state);
}

TEST_SUITE_END();
