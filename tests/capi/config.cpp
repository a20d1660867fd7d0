#include <dualwrite/engine/config.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <set>
#include <string>

using namespace dualwrite;
using namespace dualwrite::engine;

namespace {

environment variables(std::map<std::string, std::string> values)
{
    return [values = std::move(values)](const char* name) -> const char* {
        const auto found = values.find(name);
        return found == values.end() ? nullptr : found->second.c_str();
    };
}

const environment home = variables({{"HOME", "/h"}});

struct fact {
    const char* key;
    const char* value;
};

config with(command c, std::initializer_list<fact> facts)
{
    config made(c);
    std::string why;
    for (const auto& its : facts) {
        CAPTURE(its.key);
        REQUIRE(made.set(its.key, its.value, why));
    }
    return made;
}

// The sentence that explains the failure; "" if there was none.
std::string refusal(const config& from)
{
    std::string why;
    const bool made = from.for_command() == command::proxy
                          ? make_proxy_options(from, home, why).has_value()
                          : make_copy_options(from, home, why).has_value();
    REQUIRE(made == why.empty());
    return why;
}

std::string refusal(command c, const char* key, const char* value)
{
    config from(c);
    std::string why;
    const bool done = from.set(key, value, why).has_value();
    REQUIRE(done == why.empty());
    return why;
}

}  // namespace

TEST_SUITE("engine/config")
{
    TEST_CASE("config_keys: names are unique, defaults fit their own rules")
    {
        std::set<std::string> names;
        for (const auto& key : config_keys()) {
            CAPTURE(key.name);
            CHECK(names.insert(key.name).second);
            CHECK(key.commands != 0);
            CHECK(std::string_view(key.help).ends_with("."));
            for (const auto c : {command::proxy, command::copy, command::validate}) {
                if (!key.belongs_to(c)) continue;
                config from(c);
                std::string why;
                if (*key.default_text != '\0') CHECK(from.set(key.name, key.default_text, why));
                CHECK(why == "");
            }
            if (key.has(key_flag::planned)) CHECK(key.has(key_flag::documented));
        }
    }

    TEST_CASE("parse_boolean, parse_number, parse_size, parse_duration_ms: take what people write")
    {
        CHECK(parse_boolean("Yes") == true);
        CHECK(parse_boolean("OFF") == false);
        CHECK_FALSE(parse_boolean("").has_value());
        CHECK_FALSE(parse_boolean("tru").has_value());
        CHECK(parse_number("0") == 0);
        CHECK(parse_number("18446744073709551615") == UINT64_MAX);
        for (const std::string bad :
             {"", "-1", "+1", "1.5", " 1", "1 ", "0x10", "18446744073709551616"}) {
            CAPTURE(bad);
            CHECK_FALSE(parse_number(bad).has_value());
        }
        CHECK(parse_size("16GiB") == std::uint64_t{16} << 30);
        CHECK(parse_size("16 gib") == std::uint64_t{16} << 30);
        CHECK(parse_size("10MB") == 10'000'000);
        CHECK(parse_size("7") == 7);
        CHECK(parse_size("7B") == 7);
        for (const std::string bad : {"GiB", "1.5GiB", "1G", "1 GiB ", "-1GiB", "17000000TiB"}) {
            CAPTURE(bad);
            CHECK_FALSE(parse_size(bad).has_value());
        }
        CHECK(parse_duration_ms("30s") == 30'000);
        CHECK(parse_duration_ms("500ms") == 500);
        CHECK(parse_duration_ms("2min") == 120'000);
        CHECK(parse_duration_ms("1h") == 3'600'000);
        for (const std::string bad : {"30", "", "s", "1m", "1 sec"}) {
            CAPTURE(bad);
            CHECK_FALSE(parse_duration_ms(bad).has_value());
        }
    }

    TEST_CASE("config::set: says what is wrong and what would be right")
    {
        using enum command;
        CHECK(
            refusal(proxy, "threds", "1") == "there is no option --threds; did you mean --threads?"
        );
        CHECK(refusal(proxy, "xyz", "1") == "there is no option --xyz");
        CHECK(refusal(proxy, "keyspace", "k") == "--keyspace does not belong to this command");
        CHECK(refusal(copy, "wait", "true") == "--wait does not belong to this command");
        CHECK(refusal(proxy, "threads", "0") == "--threads: '0' is not a number from 1 to 256");
        CHECK(refusal(proxy, "threads", "") == "--threads: '' is not a number from 1 to 256");
        CHECK(refusal(proxy, "wait", "maybe") == "--wait: 'maybe' is not true or false");
        CHECK(refusal(proxy, "durability", "x") == "--durability: 'x' is not one of process|fsync");
        CHECK(refusal(proxy, "wait-limit", "5").find("with its unit") != std::string::npos);
        CHECK(
            refusal(proxy, "spool-size-max", "1KiB").find("a size from 1048576") !=
            std::string::npos
        );
        CHECK(refusal(proxy, "uuid", "true") == "");
        CHECK(refusal(proxy, "dest-close", "true") == "");
        CHECK(
            refusal(proxy, "protocol-version", "4,2") ==
            "--protocol-version: '2' is not a number from 3 to 5"
        );
    }

    TEST_CASE("config::set: keys in any case, values in one spelling, a failure changes nothing")
    {
        auto from = with(command::proxy, {{"DURABILITY", "FSync"}, {"wait_limit", "5s"}});
        CHECK(from.text("durability") == "fsync");
        CHECK(from.number("wait-limit") == 5000);
        std::string why;
        CHECK_FALSE(from.set("durability", "x", why));
        CHECK(from.text("durability") == "fsync");
        CHECK(from.set("state-dir", "/a", why));
        CHECK(from.set("state-dir", "", why));
        CHECK_FALSE(from.is_set("state-dir"));
        CHECK(
            with(command::copy, {{"read-consistency", "local-one"}}).text("read-consistency") ==
            "LOCAL_ONE"
        );
    }

    TEST_CASE("config::add: collects a list, refuses anything else")
    {
        auto from = with(command::copy, {{"table", "a,b"}});
        std::string why;
        REQUIRE(from.add("table", "c", why));
        CHECK(from.list("table") == std::vector<std::string>{"a", "b", "c"});
        CHECK(from.text("table") == "a,b,c");
        REQUIRE(from.set("table", "d", why));
        CHECK(from.list("table") == std::vector<std::string>{"d"});
        CHECK_FALSE(from.add("keyspace", "k", why));
        CHECK(why == "--keyspace takes one value only");
    }

    TEST_CASE("config::get: never shows a secret")
    {
        auto from = with(command::proxy, {{"target-password", "Xyzzy"}});
        std::string why;
        CHECK(*from.get("target-password", why) == "********");
        CHECK(*from.get("source-password", why) == "");
        CHECK(from.text("target-password") == "Xyzzy");
        CHECK(*with(command::proxy, {{"debug", "true"}}).get("log-level", why) == "debug");
    }

    TEST_CASE("config::load: reads the variables of its own keys")
    {
        config from(command::proxy);
        std::string why;
        REQUIRE(from.load(
            variables({
                {"DUALWRITE_SOURCE_PORT", "1"},
                {"DUALWRITE_TARGET", "t"},
                {"DUALWRITE_KEYSPACE", "of another command"},
                {"DUALWRITE_PROXY_PORT", "tcp://10.0.0.1:9042"},
                {"SOURCE", "x"},
            }),
            why
        ));
        CHECK(from.number("source-port") == 1);
        CHECK(from.text("target") == "t");
        CHECK(from.number("proxy-port") == 29042);
        CHECK(from.text("source") == "");
        CHECK_FALSE(from.load(variables({{"DUALWRITE_THREADS", "x"}}), why));
        CHECK(
            why == "environment variable DUALWRITE_THREADS: --threads: 'x' is not a number from "
                   "1 to 256"
        );
    }

    TEST_CASE("make_proxy_options: has the documented defaults")
    {
        std::string why;
        const auto from = with(command::proxy, {{"source", "s"}, {"target", "t"}});
        const auto options = make_proxy_options(from, home, why);
        REQUIRE(options);
        CHECK(options->source.text() == "s:9042");
        CHECK(options->target.text() == "t:9042");
        CHECK(options->source.tls);
        CHECK(options->target.tls);
        CHECK(options->target.verify == tls_verify::full);
        CHECK(options->listen_host == "0.0.0.0");
        CHECK(options->listen_port == 29042);
        CHECK(options->metrics);
        CHECK(options->metrics_host == "127.0.0.1");
        CHECK(options->metrics_port == 28000);
        CHECK(options->threads == 1);
        CHECK(options->wait);
        CHECK(options->wait_limit_ms == 2000);
        CHECK(options->protocol_versions.empty());
        CHECK(options->compression_enabled);
        CHECK(options->addresses.mode == policy::peers_mode::proxied);
        CHECK(options->addresses.ghosts.empty());
        CHECK(options->durable == durability::process);
        CHECK(options->spool_size_max == std::uint64_t{16} << 30);
        CHECK(options->request_size_max == 256u << 20);
        CHECK(options->write_buffer_size == 65'536);
        CHECK(options->idle_limit_ms == 0);
        CHECK_FALSE(options->close_when_target_lost);
        CHECK(options->drain_limit_ms == 30'000);
        CHECK(options->state_dir == "/h/.local/state/dualwrite/proxy-29042");
    }

    TEST_CASE("make_proxy_options: takes over what was set")
    {
        std::string why;
        const auto from = with(
            command::proxy,
            {{"source", "[::1]:1"},
             {"target", "fe80::1%eth0"},
             {"target-port", "10350"},
             {"disable-source-tls", "true"},
             {"target-tls-verify", "none"},
             {"target-tls-name", "n"},
             {"target-username", "u"},
             {"target-password", "p"},
             {"wait", "false"},
             {"metrics", "false"},
             {"durability", "fsync"},
             {"protocol-version", "4,3"},
             {"cql-version", "3.4.5"},
             {"compression", "LZ4"},
             {"compression-enabled", "no"},
             {"filter-tables", "insert into test .*"},
             {"tables-include", "shop.*,crm.people"},
             {"tables-exclude", "*.log_*"},
             {"peers", "self"},
             {"source-identifier", "east"},
             {"target-identifier", ""},
             {"write-buffer-size", "2097152"},
             {"tcp-idle-time-out", "60"},
             {"dest-close", "on"},
             {"uuid", "true"},
             {"only-message", "false"},
             {"ghostIps", "{\"10.0.0.1\":\"10.1.0.1\",\"::1\":\"::2\"}"},
             {"state-dir", "/x"}}
        );
        const auto options = make_proxy_options(from, home, why);
        REQUIRE(options);
        CHECK(options->source.host == "::1");
        CHECK(options->source.port == 1);
        CHECK_FALSE(options->source.tls);
        CHECK(options->target.host == "fe80::1%eth0");
        CHECK(options->target.port == 10350);
        CHECK(options->target.verify == tls_verify::none);
        CHECK(options->target.tls_server_name == "n");
        CHECK(options->target.username == "u");
        CHECK(options->target.password == "p");
        CHECK_FALSE(options->wait);
        CHECK_FALSE(options->metrics);
        CHECK(options->durable == durability::fsync);
        CHECK(options->state_dir == "/x");
        CHECK(options->protocol_versions == std::vector<std::uint8_t>{4, 3});
        CHECK(options->cql_versions == std::vector<std::string>{"3.4.5"});
        CHECK(options->compressions == std::vector<std::string>{"lz4"});
        CHECK_FALSE(options->compression_enabled);
        CHECK(options->filter_tables == "insert into test .*");
        CHECK(
            options->tables.include ==
            std::vector<policy::table_pattern>{{"shop", "*"}, {"crm", "people"}}
        );
        CHECK(options->tables.exclude == std::vector<policy::table_pattern>{{"*", "log_*"}});
        CHECK(options->addresses.mode == policy::peers_mode::self);
        CHECK(options->source.label() == "east (::1:1)");
        CHECK(options->target.label() == "fe80::1%eth0:10350");
        CHECK(options->write_buffer_size == 2'097'152);
        CHECK(options->idle_limit_ms == 60'000);
        CHECK(options->close_when_target_lost);
        CHECK(options->addresses.ghosts.size() == 2);
        CHECK(
            options->addresses.ghosts.at(std::string("\x0a\0\0\x01", 4)) ==
            "\x0a\x01" + std::string("\0\x01", 2)
        );
    }

    TEST_CASE("make_proxy_options: refuses what does not go together")
    {
        const auto why = [](std::initializer_list<fact> facts) {
            return refusal(with(command::proxy, facts));
        };
        const fact s{"source", "s"};
        const fact t{"target", "t"};
        CHECK(why({}) == "The argument 'source' is required");
        CHECK(why({s}) == "The argument 'target' is required");
        CHECK(
            why({s, t, {"source-username", "u"}}) ==
            "Both source-username and source-password need to be set: --source-password is "
            "missing"
        );
        CHECK(
            why({s, t, {"proxy-pem-certfile", "/no"}}).find("--proxy-pem-keyfile is missing") !=
            std::string::npos
        );
        CHECK(
            why({s, t, {"target-tls-ca", "/no/such"}}) ==
            "--target-tls-ca: cannot read /no/such: No such file or directory"
        );
        CHECK(why({s, t, {"target-tls-ca", "/no/such"}, {"disable-target-tls", "true"}}) == "");
        CHECK(
            why({s, t, {"metrics-port", "29042"}}) ==
            "--metrics-port and --proxy-port are both 29042"
        );
        CHECK(
            why({s, t, {"filter-tables", "insert (into"}}
            ).find("--filter-tables: the pattern is") == 0
        );
        CHECK(
            why({s, t, {"tables-include", "a.b,orders"}}
            ).find("--tables-include: 'orders' is not KEYSPACE.TABLE") == 0
        );
        CHECK(
            why({s, t, {"tables-exclude", "\"Ks\".t"}}
            ).find("--tables-exclude: '\"Ks\".t' is not") == 0
        );
        for (const std::string bad :
             {"{",
              "[]",
              "{\"a\":\"10.0.0.1\"}",
              "{\"10.0.0.1\":\"b\"}",
              "{\"10.0.0.1\":1}",
              "{\"10.0.0.1\":\"::1\"}",
              "{\"::1\":\"::2\",\"0:0::1\":\"::3\"}"}) {
            CAPTURE(bad);
            const auto text = why({s, t, {"ghostIps", bad.c_str()}});
            CHECK(text.find("--ghostIps: ") == 0);
            CHECK(text.find("it looks like") != std::string::npos);
        }
        CHECK(why({{"source", "s:1"}, t, {"source-port", "1"}}) == "");
        CHECK(
            why({{"source", "s:1"}, t, {"source-port", "2"}}) ==
            "source names port 1, --source-port another one; give it once"
        );
        for (const std::string bad :
             {"a:b:", "a:", "a:0", "a:70000", "[::1", "[]", "[a]", "a b", "u@h", ":1"}) {
            CAPTURE(bad);
            CHECK(
                why({{"source", bad.c_str()}, t}).find("is not HOST, HOST:PORT or [IPV6]:PORT") !=
                std::string::npos
            );
        }
    }

    TEST_CASE("make_copy_options, make_validate_options: take over what was set")
    {
        std::string why;
        const auto base = {fact{"source", "s"}, fact{"target", "t:2"}, fact{"keyspace", "K s"}};
        auto copy = with(command::copy, base);
        CHECK(
            refusal(with(command::copy, {{"source", "s"}, {"target", "t"}})) ==
            "--keyspace is required: it says which keyspace to work on"
        );
        REQUIRE(copy.set("table", "a,b", why));
        REQUIRE(copy.set("rate", "100", why));
        REQUIRE(copy.set("writetime", "2023-11-14T22:13:20Z", why));
        REQUIRE(copy.set("restart", "yes", why));
        const auto copying = make_copy_options(copy, home, why);
        REQUIRE(copying);
        CHECK(copying->keyspace == "K s");
        CHECK(copying->tables == std::vector<std::string>{"a", "b"});
        CHECK(copying->rows_per_second_max == 100);
        CHECK(copying->writetime_us == 1'700'000'000'000'000);
        CHECK(copying->restart);
        CHECK(copying->page_size == 1000);
        CHECK(copying->state_dir == "/h/.local/state/dualwrite/copy-K_s-s_9042-t_2");

        REQUIRE(copy.set("writetime", "1700000000", why));
        CHECK_FALSE(make_copy_options(copy, home, why));
        CHECK(why.starts_with("--writetime: "));
        REQUIRE(copy.set("writetime", "", why));
        REQUIRE(copy.set("token-range", "-5..7", why));
        CHECK(make_copy_options(copy, home, why)->token_ranges.size() == 1);
        REQUIRE(copy.set("token-range", "7..-5", why));
        CHECK_FALSE(make_copy_options(copy, home, why));
        CHECK(why.starts_with("--token-range: "));

        auto validate = with(command::validate, base);
        REQUIRE(validate.set("recheck-delay", "1min", why));
        REQUIRE(validate.set("ttl-tolerance", "1500ms", why));
        REQUIRE(validate.set("report", "/r", why));
        const auto validating = make_validate_options(validate, home, why);
        REQUIRE(validating);
        CHECK(validating->recheck_delay_ms == 60'000);
        CHECK(validating->ttl_tolerance_s == 2);
        CHECK(validating->report_file == "/r");
        CHECK(validating->differences_max == 1000);
        CHECK(validating->compare_writetimes);
        CHECK(validating->sample_share == 1);

        REQUIRE(validate.set("dry-run", "true", why));
        CHECK_FALSE(make_validate_options(validate, home, why));
        CHECK(why.starts_with("--dry-run"));
        REQUIRE(validate.set("repair", "true", why));
        CHECK(make_validate_options(validate, home, why)->dry_run);
        REQUIRE(validate.set("sample", "0.5 %", why));
        CHECK(make_validate_options(validate, home, why)->sample_share == 0.005);
        for (const auto* bad : {"5", "0%", "101%", "-1%", "%", "5%%", "nan%"}) {
            CAPTURE(bad);
            REQUIRE(validate.set("sample", bad, why));
            CHECK_FALSE(make_validate_options(validate, home, why));
            CHECK(why.starts_with("--sample: "));
        }
        REQUIRE(validate.set("sample", "", why));
        REQUIRE(validate.set("where", "k = 1", why));
        CHECK_FALSE(make_validate_options(validate, home, why));
        CHECK(why.starts_with("--where "));
        REQUIRE(validate.set("table", "t", why));
        CHECK(make_validate_options(validate, home, why)->where == "k = 1");
        CHECK(validating->state_dir == "/h/.local/state/dualwrite/validate-K_s-s_9042-t_2");
    }

    TEST_CASE("state_dir: follows systemd, then XDG, then the home directory")
    {
        const auto from = with(command::proxy, {{"proxy-port", "1"}});
        const auto dir = [&](std::map<std::string, std::string> values) {
            std::string why;
            const auto found = state_dir(from, variables(std::move(values)), why);
            return found ? *found : why;
        };
        CHECK(dir({{"STATE_DIRECTORY", "/a:/b"}, {"HOME", "/h"}}) == "/a");
        CHECK(dir({{"XDG_STATE_HOME", "/x"}, {"HOME", "/h"}}) == "/x/dualwrite/proxy-1");
        CHECK(
            dir({{"XDG_STATE_HOME", "x"}, {"HOME", "/h"}}) == "/h/.local/state/dualwrite/proxy-1"
        );
        CHECK(dir({}).find("give --state-dir") != std::string::npos);
    }
}
