#include "check_probe.hpp"

#include <dualwrite/copy/schema_text.hpp>
#include <dualwrite/policy/outcome.hpp>
#include <dualwrite/protocol/rows.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "asio_compat.hpp"
#include "probe_rules.hpp"
#include "raw_rows.hpp"

namespace dualwrite::engine {

namespace {

using protocol::cell;

constexpr std::chrono::milliseconds answer_limit{10'000};
// A schema change may take its time on a large cluster.
constexpr std::chrono::milliseconds schema_limit{60'000};
constexpr int attempts_max = 6;
constexpr std::int64_t short_ttl_s = 100'000;
constexpr std::int64_t long_ttl_s = 200'000;
constexpr std::uint64_t kibibyte = 1024;

std::int64_t yesterday_us()
{
    using namespace std::chrono;
    const auto now = system_clock::now() - hours(24);
    return duration_cast<microseconds>(now.time_since_epoch()).count();
}

// A bigint or an int.
std::optional<std::int64_t> number_of(const cell& value)
{
    if (value && value->size() == 8) return load_be<std::int64_t>(value->data());
    if (value && value->size() == 4) return load_be<std::int32_t>(value->data());
    return std::nullopt;
}

class prober {
public:
    prober(cql_cluster& target, check_report& report)
        : target_(target), report_(report), timer_(target.executor())
    {
    }

    asio::awaitable<void> run(std::string given_keyspace)
    {
        connection_ = target_.connection(0);
        if (!connection_) co_return refuse("no connection");
        const auto name = "dualwrite_probe_" + std::to_string(target_.random());
        keyspace_ = given_keyspace.empty() ? name : copy::cql_identifier(given_keyspace);
        const bool own = given_keyspace.empty();
        if (own) {
            if (const bool made = co_await make_keyspace(); !made) co_return;
        }
        const auto table = keyspace_ + '.' + name;
        if (const bool made = co_await make_table(table, ""); made) {
            report_.probed = own ? "in a keyspace of its own" : "in keyspace " + given_keyspace;
            co_await try_all(table);
            co_await drop("TABLE " + table);
        }
        if (own) co_await drop("KEYSPACE " + keyspace_);
        judge_probes(report_);
    }

private:
    void refuse(const std::string& why)
    {
        report_.probed = "not tried: " + why;
        report_.notes.push_back(
            "what the target does with old write times could not be tried: " + why
        );
    }

    asio::awaitable<bool> make_keyspace()
    {
        const auto replicas = std::clamp<std::size_t>(report_.target.nodes, 1, 3);
        const auto& datacenter = target_.facts().datacenter;
        const std::map<std::string, std::string> replication{
            {"class", "NetworkTopologyStrategy"}, {datacenter, std::to_string(replicas)}};
        auto create =
            "CREATE KEYSPACE " + keyspace_ + " WITH replication = " + copy::cql_map(replication);
        const bool made = co_await execute(std::move(create), schema_limit);
        if (!made)
            refuse(
                why_.describe() +
                "; give the user the right to create a keyspace, or name one by --probe-keyspace"
            );
        co_return made;
    }

    asio::awaitable<bool> make_table(std::string table, std::string options)
    {
        const bool made = co_await execute(
            "CREATE TABLE " + table + " (p int, c int, a int, b int, d blob, PRIMARY KEY (p, c))" +
                options,
            schema_limit
        );
        if (!made && options.empty()) refuse("cannot create a table: " + why_.describe());
        if (made) co_await wait_for_agreement();
        co_return made;
    }

    // A node that has not heard of the table refuses it.
    asio::awaitable<void> wait_for_agreement()
    {
        for (int i = 0; i < 100; ++i) {
            const auto own = co_await rows_of("SELECT schema_version FROM system.local");
            const auto others = co_await rows_of("SELECT schema_version FROM system.peers");
            const bool agreed = std::all_of(others.begin(), others.end(), [&](const auto& other) {
                return other.empty() || own.empty() || other == own.front();
            });
            if (agreed) break;
            co_await sleep_for(timer_, std::chrono::milliseconds(100));
        }
        why_ = {};  // a server that does not tell has agreed
    }

    asio::awaitable<void> try_all(std::string table)
    {
        table_ = std::move(table);
        old_us_ = yesterday_us();
        co_await try_times();
        co_await try_cells();
        co_await try_order();
        co_await try_reading();
        co_await try_batches();
        if (!report_.target.mutation_size_max) co_await try_sizes();
        if (answer_of(report_, "cell_writetime") == check_answer::no) co_await try_flags();
    }

    // Rows p, c = 1 of `p` numbers, which no two probes share.
    std::string row(int p) const { return " WHERE p = " + std::to_string(p) + " AND c = 1"; }
    std::string at(std::int64_t time_us) const
    {
        return " USING TIMESTAMP " + std::to_string(time_us);
    }

    asio::awaitable<void> try_times()
    {
        const auto insert = "INSERT INTO " + table_ + " (p, c, a) VALUES (";
        bool ok = co_await execute(insert + "1, 1, 1)" + at(old_us_));
        auto time = co_await number("SELECT WRITETIME(a) FROM " + table_ + row(1));
        add("old write time kept", "old_writetime", ok, time && *time == old_us_);

        ok = co_await execute(insert + "2, 1, 1)", answer_limit, old_us_);
        time = co_await number("SELECT WRITETIME(a) FROM " + table_ + row(2));
        add("the same, given in the protocol", "protocol_writetime", ok, time && *time == old_us_);
    }

    asio::awaitable<void> try_cells()
    {
        const auto update = "UPDATE " + table_;
        bool ok = co_await execute(update + at(old_us_) + " SET a = 1" + row(3));
        bool next = co_await execute(update + at(old_us_ + 5) + " SET b = 1" + row(3));
        auto a = co_await number("SELECT WRITETIME(a) FROM " + table_ + row(3));
        auto b = co_await number("SELECT WRITETIME(b) FROM " + table_ + row(3));
        add("write time per cell", "cell_writetime", ok && next, a == old_us_ && b == old_us_ + 5);

        ok = co_await execute(update + ttl(short_ttl_s) + " SET a = 1" + row(4));
        next = co_await execute(update + ttl(long_ttl_s) + " SET b = 1" + row(4));
        a = co_await number("SELECT TTL(a) FROM " + table_ + row(4));
        b = co_await number("SELECT TTL(b) FROM " + table_ + row(4));
        add("TTL per cell",
            "cell_ttl",
            ok && next,
            is_near(a, short_ttl_s) && is_near(b, long_ttl_s));
    }

    static std::string ttl(std::int64_t seconds) { return " USING TTL " + std::to_string(seconds); }
    static bool is_near(std::optional<std::int64_t> left, std::int64_t whole)
    {
        return left && *left <= whole && *left > whole - 1000;
    }

    asio::awaitable<void> try_order()
    {
        const auto update = "UPDATE " + table_;
        bool ok = co_await execute(update + at(old_us_ + 5) + " SET a = 2" + row(5));
        bool next = co_await execute(update + at(old_us_) + " SET a = 1" + row(5));
        auto value = co_await number("SELECT a FROM " + table_ + row(5));
        add("a late old write loses", "late_write_loses", ok && next, value == 2);

        ok = co_await execute(update + at(old_us_ + 5) + " SET a = 2" + row(6));
        next = co_await execute("DELETE FROM " + table_ + at(old_us_) + row(6));
        value = co_await number("SELECT a FROM " + table_ + row(6));
        add("a late old deletion loses", "late_delete_loses", ok && next, value == 2);
    }

    asio::awaitable<void> try_reading()
    {
        constexpr auto whole_ring = " WHERE token(p) > -9223372036854775808 AND token(p) <= "
                                    "9223372036854775807";
        auto rows = co_await rows_of("SELECT p, token(p) FROM " + table_ + whole_ring);
        add("reading by token", "token_scan", !why_, !rows.empty());
        rows = co_await rows_of("SELECT DISTINCT p FROM " + table_);
        add("SELECT DISTINCT", "distinct", !why_, !rows.empty());
    }

    asio::awaitable<void> try_batches()
    {
        const auto children = " INSERT INTO " + table_ +
                              " (p, c, a) VALUES (7, 1, 1); INSERT INTO " + table_ +
                              " (p, c, a) VALUES (8, 1, 1); APPLY BATCH";
        for (const bool logged : {true, false}) {
            const bool ok =
                co_await execute((logged ? "BEGIN BATCH" : "BEGIN UNLOGGED BATCH") + children);
            const auto value = co_await number("SELECT a FROM " + table_ + row(8));
            add(logged ? "logged batch" : "unlogged batch",
                logged ? "logged_batch" : "unlogged_batch",
                ok,
                value == 1);
        }
    }

    // The server does not tell its limit: rows of growing size, until one is refused.
    asio::awaitable<void> try_sizes()
    {
        std::uint64_t taken = 0;
        for (const auto size :
             {512 * kibibyte, 1024 * kibibyte, 1900 * kibibyte, 4096 * kibibyte}) {
            const std::string zeros(2 * size, '0');
            const bool ok = co_await execute(
                "INSERT INTO " + table_ + " (p, c, d) VALUES (9, 1, 0x" + zeros + ")"
            );
            if (!ok) break;
            taken = size;
        }
        auto detail = "of " + std::to_string(taken / kibibyte) + " KiB";
        if (why_) detail += "; larger: " + why_.describe();
        check_probe out{"largest row taken", "row_size", check_answer::yes, std::move(detail)};
        if (taken == 0) out.answer = check_answer::no;
        report_.probes.push_back(std::move(out));
    }

    // Azure Cosmos DB keeps times per cell in tables that were made with its flags.
    asio::awaitable<void> try_flags()
    {
        std::string options;
        for (const auto flag : copy::cell_level_flags)
            options += (options.empty() ? " WITH " : " AND ") + std::string(flag) + " = true";
        const auto table = table_ + "_flags";
        if (const bool made = co_await make_table(table, options); !made) {
            add("with its flags", "flags", false, false);
            co_return;
        }
        const auto update = "UPDATE " + table;
        const bool ok = co_await execute(update + at(old_us_) + " SET a = 1" + row(3));
        const bool next = co_await execute(update + at(old_us_ + 5) + " SET b = 1" + row(3));
        const auto a = co_await number("SELECT WRITETIME(a) FROM " + table + row(3));
        const auto b = co_await number("SELECT WRITETIME(b) FROM " + table + row(3));
        add("write time per cell, with flags", "flags", ok && next, a == old_us_ && b == old_us_ + 5
        );
        co_await drop("TABLE " + table);
    }

    // `asked`: nothing was refused on the way to what `right` says.
    void add(std::string name, std::string key, bool asked, bool right)
    {
        check_probe out{std::move(name), std::move(key), check_answer::unknown, {}};
        const bool refused = why_.error == make_error_code(errc::server_error);
        if (right && asked)
            out.answer = check_answer::yes;
        else if (asked || refused)
            out.answer = check_answer::no;
        if (why_) out.detail = why_.describe();
        report_.probes.push_back(std::move(out));
        why_ = {};
    }

    asio::awaitable<void> drop(std::string what)
    {
        why_ = {};
        if (const bool ok = co_await execute("DROP " + what, schema_limit); ok) co_return;
        report_.problems.push_back(
            "drop at the target what the probe has made: DROP " + what +
            " failed: " + why_.describe()
        );
    }

    asio::awaitable<bool> execute(
        std::string text,
        std::chrono::milliseconds limit = answer_limit,
        std::optional<std::int64_t> timestamp_us = std::nullopt
    )
    {
        const auto reply = co_await send(std::move(text), limit, timestamp_us);
        co_return reply.has_value();
    }

    // The first failure stays in why_ until add() takes it.
    asio::awaitable<std::optional<cql_reply>> send(
        std::string text,
        std::chrono::milliseconds limit = answer_limit,
        std::optional<std::int64_t> timestamp_us = std::nullopt
    )
    {
        cql_failure why;
        for (int attempt = 1; attempt <= attempts_max; ++attempt) {
            byte_buffer body;
            protocol::write_parameters parameters;
            parameters.timestamp_us = timestamp_us;
            protocol::append_query_body(body, connection_->version(), text, parameters);
            why = {};
            auto reply =
                co_await ask(connection_, protocol::opcode::query, std::move(body), limit, why);
            if (reply) co_return reply;
            if (why.error != make_error_code(errc::server_error)) break;
            const auto verdict = policy::judge_target_error(why.code, why.text, true);
            if (verdict.action != policy::target_action::retry &&
                verdict.action != policy::target_action::retry_after)
                break;
            const auto pause = std::max(verdict.delay, std::chrono::milliseconds(100 * attempt));
            co_await sleep_for(timer_, pause);
        }
        if (!why_) why_ = why;
        co_return std::nullopt;
    }

    // Rows of raw cells.
    asio::awaitable<std::vector<std::vector<std::string>>> rows_of(std::string text)
    {
        const auto reply = co_await send(std::move(text));
        if (!reply) co_return std::vector<std::vector<std::string>>{};
        co_return raw_rows(reply->message.view());
    }

    asio::awaitable<std::optional<std::int64_t>> number(std::string text)
    {
        const auto rows = co_await rows_of(std::move(text));
        if (rows.empty() || rows.front().empty()) co_return std::nullopt;
        co_return number_of(as_bytes(rows.front().front()));
    }

    cql_cluster& target_;
    check_report& report_;
    asio::steady_timer timer_;
    std::shared_ptr<cql_connection> connection_;
    std::string keyspace_;
    std::string table_;
    std::int64_t old_us_{0};
    cql_failure why_;
};

}  // namespace

asio::awaitable<void> probe_target(std::string keyspace, cql_cluster& target, check_report& report)
{
    prober work(target, report);
    co_await work.run(std::move(keyspace));
}

}  // namespace dualwrite::engine
