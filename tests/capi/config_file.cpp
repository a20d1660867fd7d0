#include <dualwrite/engine/config.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

using namespace dualwrite;
using namespace dualwrite::engine;

namespace {

// A file that is there for the test only.
class temporary_file {
public:
    explicit temporary_file(std::string_view content, std::string_view name = "c.yaml")
    {
        std::string pattern = (std::filesystem::temp_directory_path() / "dw-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) std::abort();
        folder_ = pattern;
        path_ = (folder_ / name).string();
        std::ofstream(path_, std::ios::binary) << content;
    }
    ~temporary_file() { std::filesystem::remove_all(folder_); }
    temporary_file(const temporary_file&) = delete;
    const std::string& path() const noexcept { return path_; }

private:
    std::filesystem::path folder_;
    std::string path_;
};

environment variables(std::map<std::string, std::string> values)
{
    return [values = std::move(values)](const char* name) -> const char* {
        const auto found = values.find(name);
        return found == values.end() ? nullptr : found->second.c_str();
    };
}

config read(std::string_view content, command c = command::proxy)
{
    const temporary_file file(content);
    config from(c);
    std::string why;
    CHECK(from.set("config", file.path(), why));
    CHECK(why == "");
    return from;
}

// What is wrong with the file, without its folder; "" if nothing.
std::string refusal(std::string_view content, command c = command::proxy)
{
    const temporary_file file(content);
    config from(c);
    std::string why;
    const bool done = from.set("config", file.path(), why).has_value();
    REQUIRE(done == why.empty());
    CHECK(from.is_set("config") == done);
    const auto at = why.find(file.path());
    if (at == why.npos) return why;
    return why.substr(0, at) + "c.yaml" + why.substr(at + file.path().size());
}

}  // namespace

TEST_SUITE("engine/config_file")
{
    TEST_CASE("config file: the same names and values as flags")
    {
        const auto from = read("# the proxy of rack 1\n"
                               "source: cassandra-1\n"
                               "target: \"[::1]:10350\"\n"
                               "Source_Port: 9043\n"
                               "disable-source-tls: yes\n"
                               "spool-size-max: 20GiB\n"
                               "wait-limit: 500ms\n"
                               "source-identifier: 'the old one'\n"
                               "filter-tables: insert into test .*\n"
                               "protocol-version: [4, 3]\n"
                               "compression:\n"
                               "  - LZ4\n"
                               "  - snappy\n"
                               "cql-version: 3.4.5,3.4.6\n"
                               "target-username:\n"
                               "target-tls-ca: ~\n"
                               "threads: null\n"
                               "state-dir: ''\n");
        CHECK(from.text("source") == "cassandra-1");
        CHECK(from.text("target") == "[::1]:10350");
        CHECK(from.number("source-port") == 9043);
        CHECK(from.boolean("disable-source-tls"));
        CHECK(from.number("spool-size-max") == std::uint64_t{20} << 30);
        CHECK(from.number("wait-limit") == 500);
        CHECK(from.text("source-identifier") == "the old one");
        CHECK(from.text("filter-tables") == "insert into test .*");
        CHECK(from.list("protocol-version") == std::vector<std::string>{"4", "3"});
        CHECK(from.list("compression") == std::vector<std::string>{"lz4", "snappy"});
        CHECK(from.list("cql-version") == std::vector<std::string>{"3.4.5", "3.4.6"});
        CHECK_FALSE(from.is_set("target-username"));
        CHECK_FALSE(from.is_set("target-tls-ca"));
        CHECK(from.number("threads") == 1);
    }

    TEST_CASE("config file: --ghostIps is a mapping or the text of the flag")
    {
        const std::string pairs = R"({"10.0.0.1":"10.1.0.1","10.0.0.2":"10.1.0.2"})";
        CHECK(
            read("ghostIps:\n  10.0.0.1: 10.1.0.1\n  10.0.0.2: 10.1.0.2\n").text("ghostIps") ==
            pairs
        );
        CHECK(read("ghostIps: " + pairs).text("ghostIps") == pairs);
        CHECK(read("ghostIps: '" + pairs + "'").text("ghostIps") == pairs);
        CHECK(refusal("ghostIps: {a: b, a: c}") == "c.yaml:1: ghostIps: a is there twice");
    }

    TEST_CASE("config file: an empty one is fine, keys of other commands are passed over")
    {
        CHECK(refusal("") == "");
        CHECK(refusal("# nothing\n") == "");
        CHECK(refusal("---\n") == "");
        CHECK(refusal("keyspace: k\nrate: 100\nthreads: 2\n") == "");
        CHECK(read("keyspace: k\nthreads: 2\n", command::copy).text("keyspace") == "k");
    }

    TEST_CASE("config file: says file and line of what is wrong")
    {
        CHECK(
            refusal("source: a\n\nthreds: 2\n") ==
            "c.yaml:3: there is no option --threds; did you mean --threads?"
        );
        CHECK(refusal("threads: 0") == "c.yaml:1: --threads: '0' is not a number from 1 to 256");
        CHECK(refusal("threads: ''") == "c.yaml:1: --threads: '' is not a number from 1 to 256");
        CHECK(
            refusal("wait: true\nprotocol-version: [4, 6]") ==
            "c.yaml:2: --protocol-version: '6' is not a number from 3 to 5"
        );
        CHECK(refusal("threads: 1\nTHREADS: 2") == "c.yaml:2: threads is there twice");
        CHECK(refusal("threads: [1, 2]") == "c.yaml:1: threads takes one value only");
        CHECK(refusal("threads: []") == "c.yaml:1: threads takes one value only");
        CHECK(refusal("threads: [[1]]") == "c.yaml:1: threads: its parts must be plain values");
        CHECK(
            refusal("a: &x 1\nthreads: *x") == "c.yaml:2: anchors and aliases are not known here"
        );
        CHECK(
            refusal("config: other.yaml") ==
            "c.yaml:1: a configuration file cannot name another one"
        );
        CHECK(refusal("threads 2") == "c.yaml:1: not a list of `key: value`");
        CHECK(refusal("- threads") == "c.yaml:1: not a list of `key: value`");
        CHECK(refusal("[a]: b") == "c.yaml:1: a key that is no word");
        CHECK(
            refusal("threads: 2\n---\nthreads: 3\n") ==
            "c.yaml:2: a second document; there can be one only"
        );
        CHECK(refusal("threads: 2\n  wait: true\n").find("c.yaml:2: ") == 0);
        CHECK(refusal("threads: 2\nwait: \"\n").find("c.yaml:") == 0);
        CHECK(refusal("threads: \xff\n").find("c.yaml:1: ") == 0);
        CHECK(refusal("target-password: [Xyzzy, Xyzzy]").find("Xyzzy") == std::string::npos);
        CHECK(
            refusal(std::string(2 << 20, '#')) == "--config: c.yaml is larger than 1048576 bytes"
        );
    }

    TEST_CASE("config file: one that is not there is an error, and nothing changes")
    {
        const temporary_file file("threads: 3");
        config from(command::proxy);
        std::string why;
        REQUIRE(from.set("config", file.path(), why));
        CHECK_FALSE(from.set("config", "/no/such/file", why));
        CHECK(why == "--config: cannot read /no/such/file: No such file or directory");
        CHECK(from.text("config") == file.path());
        CHECK(from.number("threads") == 3);
        CHECK_FALSE(from.set("config", "/", why));
        REQUIRE(from.set("config", "", why));
        CHECK(from.number("threads") == 1);
    }

    TEST_CASE("config: calls win over the environment, the environment over the file, in any order")
    {
        const temporary_file file("threads: 2\nsource-port: 2\ntarget-port: 2\n"
                                  "protocol-version: 3\n");
        const temporary_file other("threads: 9\nmetrics-port: 9\n");
        const auto env = variables(
            {{"DUALWRITE_THREADS", "3"},
             {"DUALWRITE_SOURCE_PORT", "3"},
             {"DUALWRITE_CONFIG", file.path()}}
        );
        std::string why;
        config called_last(command::proxy);
        REQUIRE(called_last.load(env, why));
        REQUIRE(called_last.set("threads", "4", why));
        config called_first(command::proxy);
        REQUIRE(called_first.set("threads", "4", why));
        REQUIRE(called_first.load(env, why));
        for (auto* from : {&called_last, &called_first}) {
            CHECK(from->number("threads") == 4);
            CHECK(from->number("source-port") == 3);
            CHECK(from->number("target-port") == 2);
            // An empty text puts the default back, whatever the others say.
            REQUIRE(from->set("target-username", "", why));
            REQUIRE(from->set("protocol-version", "", why));
            CHECK(from->list("protocol-version").empty());
        }
        // A file that a call names takes the place of the environment's, even of a broken one.
        REQUIRE(called_last.set("config", other.path(), why));
        CHECK(called_last.number("target-port") == 9042);
        CHECK(called_last.number("metrics-port") == 9);
        config broken(command::proxy);
        REQUIRE(broken.set("config", other.path(), why));
        REQUIRE(broken.load(variables({{"DUALWRITE_CONFIG", "/no/such/file"}}), why));
        CHECK(broken.number("threads") == 9);
        config alone(command::proxy);
        CHECK_FALSE(alone.load(variables({{"DUALWRITE_CONFIG", "/no/such/file"}}), why));
        CHECK(why.find("environment variable DUALWRITE_CONFIG: --config: cannot read") == 0);
    }

    TEST_CASE("config::add: appends to what is in force")
    {
        auto from = read("protocol-version: 3\n");
        std::string why;
        REQUIRE(from.add("protocol-version", "4", why));
        CHECK(from.text("protocol-version") == "3,4");
    }

    TEST_CASE("password files: hold the password in one line")
    {
        const auto home = variables({{"HOME", "/h"}});
        const auto read_with = [&](std::string_view content, bool both = false) {
            const temporary_file file(content, "password");
            config from(command::proxy);
            std::string why;
            for (const auto* side : {"source", "target"}) REQUIRE(from.set(side, side, why));
            REQUIRE(from.set("target-username", "u", why));
            REQUIRE(from.set("target-password-file", file.path(), why));
            if (both) REQUIRE(from.set("target-password", "Xyzzy", why));
            const auto options = make_proxy_options(from, home, why);
            CHECK(why.find("Xyzzy") == why.npos);
            return options ? "password " + options->target.password : why;
        };
        CHECK(read_with("Xyzzy") == "password Xyzzy");
        CHECK(read_with("Xyzzy\n") == "password Xyzzy");
        CHECK(read_with("Xyzzy\r\n") == "password Xyzzy");
        CHECK(read_with(" Xy zzy \n") == "password  Xy zzy ");
        const std::string no_line = "does not hold one line of text";
        CHECK(read_with("").find(no_line) != std::string::npos);
        CHECK(read_with("\n").find(no_line) != std::string::npos);
        CHECK(read_with("Xyzzy\nXyzzy\n").find(no_line) != std::string::npos);
        CHECK(read_with(std::string("Xyzzy\0", 6)).find(no_line) != std::string::npos);
        CHECK(read_with(std::string(5000, 'x')).find("larger than 4096") != std::string::npos);
        CHECK(
            read_with("Xyzzy", true) ==
            "--target-password and --target-password-file are both set; give one of them"
        );
    }

    TEST_CASE("password files: there is one for each password")
    {
        const temporary_file file("Xyzzy\n", "password");
        config from(command::proxy);
        std::string why;
        for (const auto* side : {"source", "target"}) REQUIRE(from.set(side, side, why));
        REQUIRE(from.set("proxy-jks-file", file.path(), why));
        for (const auto* key :
             {"proxy-jks-password-file",
              "source-tls-key-password-file",
              "target-tls-key-password-file"})
            REQUIRE(from.set(key, file.path(), why));
        const auto options = make_proxy_options(from, variables({{"HOME", "/h"}}), why);
        CHECK(why == "");
        REQUIRE(options);
        CHECK(options->listen_tls_password == "Xyzzy");
        CHECK(options->source.tls_key_password == "Xyzzy");
        CHECK(options->target.tls_key_password == "Xyzzy");
        for (const auto& key : config_keys()) {
            if (!key.has(key_flag::secret)) continue;
            CAPTURE(key.name);
            const auto keys = config_keys();
            CHECK(std::any_of(keys.begin(), keys.end(), [&](const auto& other) {
                return other.name == std::string(key.name) + "-file" &&
                       other.commands == key.commands;
            }));
        }
    }

    TEST_CASE("password files: need the username, and must be there")
    {
        const temporary_file file("Xyzzy", "password");
        config from(command::proxy);
        std::string why;
        for (const auto* side : {"source", "target"}) REQUIRE(from.set(side, side, why));
        REQUIRE(from.set("source-password-file", file.path(), why));
        CHECK_FALSE(make_proxy_options(from, variables({{"HOME", "/h"}}), why));
        CHECK(
            why == "Both source-username and source-password need to be set: --source-username "
                   "is missing"
        );
        REQUIRE(from.set("source-password-file", "/no/such/file", why));
        CHECK_FALSE(make_proxy_options(from, variables({{"HOME", "/h"}}), why));
        CHECK(
            why == "--source-password-file: cannot read /no/such/file: No such file or directory"
        );
    }
}
