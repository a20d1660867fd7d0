#include "check_nodes.hpp"

#include <dualwrite/engine/config.hpp>
#include <dualwrite/protocol/rows.hpp>

#include <algorithm>
#include <chrono>
#include <set>

#include "asio_compat.hpp"
#include "raw_rows.hpp"

namespace dualwrite::engine {

namespace {

constexpr std::int64_t clock_distance_max_ms = 500;
// A ring of hundreds is not asked one by one.
constexpr std::size_t nodes_max = 64;
constexpr std::chrono::milliseconds node_connect_limit{3'000};
constexpr std::chrono::milliseconds node_answer_limit{5'000};

std::int64_t wall_now_ms()
{
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

std::string uuid_text(bytes_view bytes)
{
    constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
        const auto byte = std::to_integer<unsigned>(bytes[i]);
        (out += digits[byte >> 4]) += digits[byte & 15];
    }
    return out;
}

// The cells of all rows, as text or raw bytes; empty: it cannot be asked.
using raw_row = std::vector<std::string>;

asio::awaitable<std::vector<raw_row>> read(std::shared_ptr<cql_connection> from, std::string text)
{
    cql_failure ignored;
    const auto reply = co_await query_on(
        from, std::move(text), protocol::consistency::one, node_answer_limit, ignored
    );
    if (!reply) co_return std::vector<raw_row>{};
    co_return raw_rows(reply->message.view());
}

// Within the round trip nobody can tell.
asio::awaitable<std::optional<std::int64_t>> read_clock(std::shared_ptr<cql_connection> from)
{
    const auto before = wall_now_ms();
    const auto rows = co_await read(from, "SELECT toUnixTimestamp(now()) FROM system.local");
    const auto after = wall_now_ms();
    if (rows.empty() || rows[0].empty() || rows[0][0].size() != 8) co_return std::nullopt;
    const auto theirs = load_be<std::int64_t>(as_bytes(rows[0][0]).data());
    co_return theirs > after ? theirs - after : std::min<std::int64_t>(theirs - before, 0);
}

// Cassandra 4.0 and newer show their settings, under names that changed.
asio::awaitable<std::optional<std::uint64_t>>
read_mutation_size_max(std::shared_ptr<cql_connection> from)
{
    const auto rows = co_await read(
        from,
        "SELECT name, value FROM system_views.settings WHERE name IN ('max_mutation_size', "
        "'max_mutation_size_in_kb')"
    );
    for (const auto& row : rows) {
        if (row.size() != 2) continue;
        const auto unit = row[0] == "max_mutation_size_in_kb" ? "KiB" : "";
        if (const auto size = parse_size(row[1] + unit); size && *size != 0) co_return size;
    }
    co_return std::nullopt;
}

asio::awaitable<void> ask_node(std::shared_ptr<cql_connection> of, check_node& node)
{
    const auto rows = co_await read(of, "SELECT release_version FROM system.local");
    if (!rows.empty() && !rows[0].empty()) node.release = rows[0][0];
    node.clock_ahead_ms = co_await read_clock(of);
}

}  // namespace

asio::awaitable<void> look_at_nodes(
    asio::any_io_executor executor, const endpoint& to, cql_cluster& cluster, check_side& side
)
{
    const auto contact = cluster.connection(0);
    if (!contact) co_return;
    const auto ids = co_await read(contact, "SELECT host_id FROM system.local");
    if (!ids.empty() && !ids[0].empty()) side.host_id = uuid_text(as_bytes(ids[0][0]));
    side.mutation_size_max = co_await read_mutation_size_max(contact);

    auto addresses = cluster.addresses();
    if (addresses.size() > nodes_max) addresses.resize(nodes_max);
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        check_node node;
        node.address = addresses[i].text();
        auto connection = contact;
        if (i != 0) {
            cql_failure why;
            const cql_login login{to, cluster.tls(), cluster.facts().version, node_connect_limit};
            connection = co_await cql_connection::open(executor, addresses[i], login, why);
            if (!connection) node.failure = why.describe();
        }
        if (connection) co_await ask_node(connection, node);
        if (connection && i != 0) connection->close(errc::shutdown);
        side.every_node.push_back(std::move(node));
    }
    side.clock_ahead_ms = side.every_node.front().clock_ahead_ms;
}

void judge_nodes(const std::string& name, const check_side& side, check_report& out)
{
    std::set<std::string> releases;
    for (std::size_t i = 0; i < side.every_node.size(); ++i) {
        const auto& node = side.every_node[i];
        const auto who = i == 0 ? "the " + name : "the " + name + "'s node " + node.address;
        if (!node.failure.empty()) out.notes.push_back(who + " cannot be asked: " + node.failure);
        if (!node.release.empty()) releases.insert(node.release);
        const auto ahead = node.clock_ahead_ms.value_or(0);
        const auto distance = ahead < 0 ? -ahead : ahead;
        if (distance <= clock_distance_max_ms) continue;
        out.problems.push_back(
            who + (i == 0 ? "'s" : ": its") + " clock is " + std::to_string(distance) + " ms " +
            (ahead < 0 ? "behind" : "ahead of") +
            " this machine's; writes get their times here, and the latest time wins: synchronize "
            "them"
        );
    }
    if (releases.size() < 2) return;
    std::string list;
    for (const auto& release : releases) (list += list.empty() ? "" : ", ") += release;
    out.notes.push_back("the nodes of the " + name + " have different versions: " + list);
}

}  // namespace dualwrite::engine
