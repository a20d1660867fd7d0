#include <dualwrite/engine/check.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "../support/fake_cluster.hpp"

using namespace dualwrite;
using namespace dualwrite::engine;
using namespace dualwrite::test;

namespace {

endpoint plain(std::uint16_t port)
{
    endpoint to;
    to.host = "127.0.0.1";
    to.port = port;
    to.tls = false;
    return to;
}

// Accepts one connection, says `answer` to whatever comes, and closes.
class stranger {
public:
    explicit stranger(std::string answer) : answer_(std::move(answer))
    {
        listener_ = unique_fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* raw = reinterpret_cast<sockaddr*>(&address);
        REQUIRE(::bind(listener_.get(), raw, size) == 0);
        REQUIRE(::listen(listener_.get(), 1) == 0);
        REQUIRE(::getsockname(listener_.get(), raw, &size) == 0);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { serve(); });
    }
    ~stranger()
    {
        ::shutdown(listener_.get(), SHUT_RDWR);
        thread_.join();
    }
    std::uint16_t port() const noexcept { return port_; }

private:
    void serve()
    {
        const unique_fd client(::accept(listener_.get(), nullptr, nullptr));
        if (!client) return;
        char request[64];
        if (::read(client.get(), request, sizeof request) <= 0) return;
        (void)!::write(client.get(), answer_.data(), answer_.size());
    }

    std::string answer_;
    unique_fd listener_;
    std::uint16_t port_{0};
    std::thread thread_;
};

// Two that ask for credentials: what is told before a login.
struct pair_of_clusters {
    fake_cluster source;
    fake_cluster target;
    check_request request;

    explicit pair_of_clusters(std::uint8_t source_version_max = 5)
        : source("source", {.version_max = source_version_max, .username = "u", .password = "p"}),
          target("target", {.username = "u", .password = "p"})
    {
        request.source = plain(source.port());
        request.target = plain(target.port());
        request.state_dir = std::filesystem::temp_directory_path().string();
    }
};

bool has(const std::vector<std::string>& lines, std::string_view words)
{
    return std::any_of(lines.begin(), lines.end(), [&](const auto& line) {
        return line.find(words) != line.npos;
    });
}

}  // namespace

TEST_SUITE("engine/check")
{
    TEST_CASE("check_clusters: sees before a login what a node speaks and who asks for credentials")
    {
        pair_of_clusters pair;
        const auto report = check_clusters(pair.request);
        CHECK(report.problems.empty());
        CHECK(has(report.notes, "the source asks for credentials"));
        CHECK(has(report.source.protocol_versions, "4/v4"));
        CHECK_FALSE(report.source.authenticator.empty());
        CHECK(report.source.release.empty());
        CHECK_FALSE(report.tables.has_value());
        CHECK(pair.source.count() == 0);
        CHECK(pair.source.malformed() == 0);
    }

    TEST_CASE("check_clusters: what clients are to be told must be what the source understands")
    {
        pair_of_clusters pair(4);
        pair.request.protocol_versions = {5, 4};
        pair.request.compressions = {"lz4", "zstd"};
        const auto report = check_clusters(pair.request);
        CHECK(has(report.problems, "--protocol-version 5: the source does not speak it"));
        CHECK_FALSE(has(report.problems, "--protocol-version 4"));
        CHECK(has(report.problems, "--compression zstd: the source does not know it"));
        CHECK_FALSE(has(report.problems, "--compression lz4"));
    }

    TEST_CASE("check_clusters: who does not answer, or speaks something else, is a problem")
    {
        struct wrong {
            std::string answer;
            std::string words;
        };
        for (const auto& its :
             {wrong{"HTTP/1.1 400 Bad Request\r\n\r\n", "what answers does not speak CQL"},
              wrong{"", "the server closed the connection; does it want TLS?"},
              wrong{std::string("\x84\0\0\0\x02\0\0\0\0", 9), "what answers does not speak CQL"},
              wrong{std::string("\x84\0\0\0\x06\0\0\0\x02\0\x09", 11), "does not speak CQL"}}) {
            CAPTURE(its.words);
            pair_of_clusters pair;
            const stranger other(its.answer);
            pair.request.target = plain(other.port());
            const auto report = check_clusters(pair.request);
            REQUIRE(report.problems.size() == 1);
            CHECK(report.problems[0].find("the target: ") == 0);
            CHECK(report.problems[0].find(its.words) != std::string::npos);
        }
        pair_of_clusters pair;
        pair.request.source.host = "no-such-host.invalid";
        CHECK(has(check_clusters(pair.request).problems, "no such host name"));
    }

    TEST_CASE("check_clusters: ports that are taken and folders that cannot be made are problems")
    {
        pair_of_clusters pair;
        pair.request.state_dir = "/proc/version/state";
        pair.request.listeners = {
            {"127.0.0.1", pair.target.port(), "--proxy-port"},
            {"127.0.0.1", 0, "--metrics-port"},
            {"192.0.2.1", 1, "--proxy-port"}};
        const auto report = check_clusters(pair.request);
        CHECK(report.problems.size() == 3);
        CHECK(has(report.problems, "is in use by another process; stop it or use another"));
        CHECK(has(report.problems, "cannot listen on 192.0.2.1:1: "));
        CHECK(has(report.problems, "--state-dir: /proc/version is no directory"));
    }

    TEST_CASE("check_long_text, check_cql, check_json: every table, node, trial and statement")
    {
        check_report report;
        report.source.protocol_versions = {"4/v4"};
        report.source.release = "5.0.8";
        report.source.every_node = {
            {"a:1", "", "5.0.8", 0}, {"b:1", "", "5.0.7", 700}, {"c:1", "no answer", "", {}}};
        report.target.failure = "no";
        report.tables = 2;
        report.schema = {
            {"shop.t", true, 3, {}, {}}, {"shop.longer", false, 10, {"no column v"}, {"a note"}}};
        report.statements = {"CREATE TABLE a;", "CREATE TABLE b;"};
        report.probed = "in a keyspace of its own";
        report.probes = {
            {"write time per cell", "cell_writetime", check_answer::no, "said so"},
            {"TTL per cell", "cell_ttl", check_answer::unknown, ""}};
        report.state_folder = "/var";
        report.free_bytes = std::uint64_t{5} * 1024 * 1024;
        const auto text = check_long_text(report);
        for (const auto* part :
             {"  node            b:1, 5.0.7, clock 700 ms ahead of this machine's\n",
              "  node            c:1, no answer\n",
              "  shop.t       3 columns    missing at the target\n",
              "  shop.longer  10 columns   differs\n    no column v\n    a note\n",
              "target tried in a keyspace of its own\n",
              "  write time per cell               no, said so\n",
              "  TTL per cell                      not known\n",
              "  space           5 MiB in /var\n",
              "CREATE TABLE a;\nCREATE TABLE b;\n"}) {
            CAPTURE(part);
            CHECK(text.find(part) != text.npos);
        }
        CHECK(text.ends_with("result: it would work\n"));
        CHECK(check_text(report).find("CREATE") == std::string::npos);
        CHECK(check_cql(report) == "CREATE TABLE a;\nCREATE TABLE b;\n");
        const auto json = check_json(report);
        for (const auto* part :
             {R"("cell_writetime":{"answer":false,"detail":"said so"})",
              R"("cell_ttl":{"answer":null,"detail":""})",
              R"("statements":["CREATE TABLE a;","CREATE TABLE b;"])",
              R"("free_bytes":5242880)",
              R"({"address":"c:1","failure":"no answer"})"}) {
            CAPTURE(part);
            CHECK(json.find(part) != json.npos);
        }
    }

    TEST_CASE("check_clusters: too little space for the spool is said beforehand")
    {
        pair_of_clusters pair;
        pair.request.state_size_max = std::uint64_t{1} << 62;
        const auto report = check_clusters(pair.request);
        CHECK(report.free_bytes.has_value());
        CHECK(has(report.notes, "--spool-size-max is"));
    }

    TEST_CASE("check_text, check_json: show both sides and count the problems")
    {
        check_report report;
        report.source.address = "s:1";
        report.source.protocol_versions = {"4/v4"};
        report.source.authenticator = "org.example.Authenticator";
        report.source.release = "5.0.8";
        report.source.username = "me";
        report.source.cluster = "c\xff";
        report.source.datacenter = "dc";
        report.source.partitioner = "org.apache.cassandra.dht.Murmur3Partitioner";
        report.source.nodes = 3;
        report.source.clock_ahead_ms = -20;
        report.target.address = "t:1";
        report.target.tls = true;
        report.target.tls_verify = "ca";
        report.target.failure = "no answer";
        const auto text = check_text(report);
        CHECK(text.find("source s:1\n  connection      plain text\n") == 0);
        CHECK(text.find("Authenticator; logged in as me\n") != text.npos);
        CHECK(text.find("datacenter dc, 3 nodes, Murmur3Partitioner\n") != text.npos);
        CHECK(text.find("20 ms behind this machine's\n") != text.npos);
        CHECK(text.find("target t:1\n  connection      TLS, verified: ca\n") != text.npos);
        CHECK(text.find("  failed          no answer\n") != text.npos);
        CHECK(text.find("could not be compared\n") != text.npos);
        CHECK(text.ends_with("result: it would work\n"));
        const auto json = check_json(report);
        CHECK(json.find(R"("clock_ahead_ms":-20)") != json.npos);
        CHECK(json.find(R"("failure":"no answer")") != json.npos);
        CHECK(json.find("\xff") == json.npos);
        report.problems = {"one"};
        CHECK(check_text(report).ends_with("problem: one\nresult: 1 problem\n"));
        report.problems.emplace_back("two");
        CHECK(check_text(report).ends_with("result: 2 problems\n"));
    }
}
