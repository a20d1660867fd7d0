#include "schema_watch.hpp"

#include <dualwrite/engine/cql_client.hpp>
#include <dualwrite/protocol/response.hpp>

#include <asio/co_spawn.hpp>
#include <asio/steady_timer.hpp>

#include <array>
#include <map>

#include "asio_compat.hpp"
#include "cluster_peers.hpp"

namespace dualwrite::engine {

namespace {

constexpr auto poll_interval = std::chrono::milliseconds(50);
constexpr auto reread_interval = std::chrono::seconds(60);
constexpr auto failure_pause = std::chrono::milliseconds(500);
constexpr auto request_limit = std::chrono::milliseconds(10'000);
// Of a large target not every node is needed as a coordinator.
constexpr std::size_t peers_max = 31;

std::string text_of(const protocol::cell& cell)
{
    return cell ? std::string(as_text(*cell)) : std::string();
}

// Types as system_schema spells them. What is none of the server's own is a UDT.
bool is_multi_cell(std::string_view type)
{
    if (type.starts_with("list<") || type.starts_with("set<") || type.starts_with("map<"))
        return true;
    if (type.find('<') != std::string_view::npos || type.starts_with('\'')) return false;
    constexpr std::array<std::string_view, 22> native{
        "ascii",    "bigint",  "blob", "boolean", "counter",  "date", "decimal", "double",
        "duration", "float",   "inet", "int",     "smallint", "text", "time",    "timestamp",
        "timeuuid", "tinyint", "uuid", "varchar", "varint",   "empty"};
    return std::find(native.begin(), native.end(), type) == native.end();
}

// One row of system_schema.columns.
void add_column(replication::table_shapes& shapes, const std::vector<protocol::cell>& cells)
{
    const auto name = text_of(cells[2]);
    const auto kind = text_of(cells[3]);
    const auto type = text_of(cells[5]);
    auto& shape = shapes[{text_of(cells[0]), text_of(cells[1])}];
    shape.types[name] = type;
    if (type == "counter") shape.counter = true;
    if (type.starts_with("list<")) shape.lists.push_back(name);
    if (is_multi_cell(type)) shape.multi_cell.push_back(name);
    if (kind == "static") shape.statics.push_back(name);
    if (kind != "partition_key" && kind != "clustering") return;
    if (!cells[4] || cells[4]->size() != 4) return;
    const auto position = load_be<std::int32_t>(cells[4]->data());
    if (position < 0 || position > 1000) return;
    const auto index = static_cast<std::size_t>(position);
    auto& key = kind == "clustering" ? shape.clustering : shape.partition_key;
    if (index >= key.size()) key.resize(index + 1);
    key[index] = {name, type};
}

}  // namespace

namespace {

// One of several contact points is enough.
bool resolve_side(proxy_shared& shared, bool source, std::string& why)
{
    const auto& where = source ? shared.options.source : shared.options.target;
    std::vector<cluster_node> nodes;
    for (const auto& contact : where.contact_points()) {
        auto found = resolve(contact.host, contact.port);
        if (found)
            nodes.push_back({contact.text(), contact.host, std::move(*found), false});
        else
            why =
                std::string(source ? "source " : "target ") + contact.host + ": no such host name";
    }
    if (nodes.empty()) return false;
    shared.set_contacts(source, std::move(nodes));
    return true;
}

}  // namespace

bool resolve_both(proxy_shared& shared, std::string& why)
{
    const bool source = resolve_side(shared, true, why);
    return resolve_side(shared, false, why) && source;
}

schema_watch::schema_watch(proxy_shared& shared) : shared_(shared)
{
    asio::co_spawn(context_, watch(), [this](std::exception_ptr error) {
        if (!error) return;
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& e) {
            shared_.fail(std::string("reading the source's schema: ") + e.what());
        }
    });
    thread_ = std::thread([this] { context_.run(); });
}

schema_watch::~schema_watch()
{
    context_.stop();
    thread_.join();
}

void schema_watch::resolve_again()
{
    std::string why;
    resolve_both(shared_, why);
    if (!why.empty()) shared_.log_limited(log_level::warning, why);
}

asio::awaitable<void> schema_watch::watch()
{
    asio::steady_timer timer(context_);
    auto next = std::chrono::steady_clock::now();
    for (;;) {
        const auto now = std::chrono::steady_clock::now();
        if (now >= next || shared_.shapes_wanted.load()) {
            shared_.shapes_wanted.store(false);
            if (now >= next) resolve_again();
            next = now + reread_interval;
            if (!co_await read_shapes()) {
                shared_.shapes_wanted.store(true);
                co_await sleep_for(timer, failure_pause);
            }
        }
        if (shared_.target_facts_wanted.exchange(false)) co_await read_target_facts();
        co_await sleep_for(timer, poll_interval);
    }
}

asio::awaitable<std::shared_ptr<cql_connection>> schema_watch::open(bool source, cql_failure& why)
{
    cql_login login;
    login.to = source ? shared_.options.source : shared_.options.target;
    login.tls = source ? shared_.tls.source() : shared_.tls.target();
    const auto who = source ? shared_.source_login() : shared_.target_login();
    login.to.username = who.username;
    login.to.password = who.password;
    for (const auto& node : shared_.nodes(source)) {
        login.to.host = node.host;
        login.is_peer = node.is_peer;
        for (const auto& address : node.addresses) {
            auto connection =
                co_await cql_connection::open(context_.get_executor(), address, login, why);
            if (source)
                shared_.source_reachable.store(
                    connection || why.error == errc::authentication_failed
                );
            if (connection) co_return connection;
        }
    }
    co_return nullptr;
}

asio::awaitable<bool> schema_watch::read_shapes()
{
    cql_failure why;
    auto connection = co_await open(true, why);
    if (!connection) {
        shared_.log_limited(
            log_level::warning, "the source's schema is not known yet: " + why.describe()
        );
        co_return false;
    }
    auto shapes = std::make_shared<replication::table_shapes>();
    const bool complete = co_await read_columns(connection, *shapes);
    if (complete) shared_.set_shapes(std::move(shapes));
    if (complete) co_await read_grace(connection, true);
    connection->close(make_error_code(errc::shutdown));
    if (complete && shared_.target_reachable.load()) shared_.target_facts_wanted.store(true);
    co_return complete;
}

template <class F>
asio::awaitable<bool> schema_watch::read_rows(
    std::shared_ptr<cql_connection> connection, std::string_view text, std::size_t columns, F f
)
{
    byte_buffer paging_state;
    for (;;) {
        protocol::write_parameters parameters;
        parameters.consistency = protocol::consistency::one;
        parameters.page_size = 5000;
        if (!paging_state.empty()) parameters.paging_state = paging_state.view();
        byte_buffer body;
        protocol::append_query_body(body, connection->version(), text, parameters);
        cql_failure why;
        auto reply =
            co_await ask(connection, protocol::opcode::query, std::move(body), request_limit, why);
        if (!reply) {
            shared_.log_limited(log_level::warning, "the schema cannot be read: " + why.describe());
            co_return false;
        }
        const auto rows = protocol::parse_rows(reply->message.view());
        if (!rows || rows->metadata().column_count != columns) co_return false;
        std::vector<protocol::cell> cells;
        for (const auto row : *rows) {
            row.read(cells);
            f(cells);
        }
        const auto& more = rows->metadata().paging_state;
        if (!more) co_return true;
        byte_buffer next;
        next.append(*more);
        paging_state = std::move(next);
    }
}

asio::awaitable<bool> schema_watch::read_columns(
    std::shared_ptr<cql_connection> connection, replication::table_shapes& shapes
)
{
    constexpr std::string_view text =
        "SELECT keyspace_name, table_name, column_name, kind, position, type "
        "FROM system_schema.columns";
    co_return co_await read_rows(connection, text, 6, [&](const auto& cells) {
        add_column(shapes, cells);
    });
}

asio::awaitable<void>
schema_watch::read_grace(std::shared_ptr<cql_connection> connection, bool source)
{
    constexpr std::string_view text =
        "SELECT keyspace_name, table_name, gc_grace_seconds FROM system_schema.tables";
    proxy_shared::grace_map found;
    const bool complete = co_await read_rows(connection, text, 3, [&](const auto& cells) {
        if (!cells[2] || cells[2]->size() != 4) return;
        found[text_of(cells[0]) + "." + text_of(cells[1])] =
            load_be<std::int32_t>(cells[2]->data());
    });
    if (complete) shared_.set_grace(source, std::move(found));
}

asio::awaitable<void> schema_watch::read_target_facts()
{
    cql_failure why;
    auto connection = co_await open(false, why);
    if (!connection) co_return;
    co_await read_grace(connection, false);
    if (shared_.options.target_discovery) co_await read_peers(connection);
    connection->close(make_error_code(errc::shutdown));
}

// The nodes of the contact point's datacenter. What cannot be read stays as it was.
asio::awaitable<void> schema_watch::read_peers(std::shared_ptr<cql_connection> connection)
{
    std::string datacenter;
    bool complete = co_await read_rows(connection, local_text, 5, [&](const auto& cells) {
        datacenter = text_of(cells[3]);
    });
    if (!complete) co_return;
    const auto& target = shared_.options.target;
    std::vector<cluster_node> found;
    const auto take = [&](const auto& cells) {
        const auto peer = peer_of(cells, target.port);
        if (!peer || peer->datacenter != datacenter || found.size() >= peers_max) return;
        found.push_back({peer->at.text(), target.host, {peer->at}, true});
    };
    complete = co_await read_rows(connection, peers_v2_text, 4, take);
    if (!complete) complete = co_await read_rows(connection, peers_text, 3, take);
    if (complete) shared_.set_target_peers(std::move(found));
}

}  // namespace dualwrite::engine
