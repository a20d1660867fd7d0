#include <dualwrite/engine/cql_client_cluster.hpp>
#include <dualwrite/policy/retry.hpp>
#include <dualwrite/protocol/response.hpp>
#include <dualwrite/protocol/value_codec.hpp>

#include <asio/co_spawn.hpp>

#include <algorithm>
#include <charconv>

#include "asio_compat.hpp"
#include "cluster_peers.hpp"

namespace dualwrite::engine {

using protocol::consistency;
using protocol::opcode;

namespace {

// Between two attempts to reach a node.
constexpr policy::retry_schedule reconnect_schedule{
    std::chrono::milliseconds(100), std::chrono::milliseconds(5000)};
void rethrow(std::exception_ptr error)
{
    if (error) std::rethrow_exception(error);
}

std::string text_of(const protocol::cell& value)
{
    return value ? std::string(as_text(*value)) : std::string();
}

}  // namespace

bool cql_cluster_facts::element_times() const noexcept
{
    int major = 0;
    std::from_chars(release.data(), release.data() + release.size(), major);
    return major >= 5;
}

asio::awaitable<std::optional<cql_reply>> query_on(
    std::shared_ptr<cql_connection> connection,
    std::string text,
    consistency level,
    std::chrono::milliseconds limit,
    cql_failure& why
)
{
    byte_buffer body;
    protocol::append_query_body(body, connection->version(), text, {.consistency = level});
    co_return co_await ask(connection, opcode::query, std::move(body), limit, why);
}

cql_cluster::cql_cluster(
    asio::any_io_executor executor, endpoint to, cql_cluster_options options, log_sink log
)
    : executor_(executor), to_(std::move(to)), options_(std::move(options)), log_(std::move(log))
{
}

void cql_cluster::set_credentials(std::string username, std::string password)
{
    to_.username = std::move(username);
    to_.password = std::move(password);
}

asio::awaitable<bool> cql_cluster::start(cql_failure& why)
{
    if (to_.tls && !tls_) {
        std::string text;
        auto made = tls_client_context::create(tls_options_of(to_, options_.side), text);
        if (!made) {
            why = {.error = made.error(), .code = 0, .text = text, .write_type = {}};
            co_return false;
        }
        tls_ = *std::move(made);
    }
    const auto contact = co_await open_contact(why);
    if (!contact) co_return false;
    bool known = co_await read_local(contact, why);
    if (known) known = co_await read_peers(contact, why);
    if (!known) {
        contact->close(errc::shutdown);
        nodes_.clear();
        co_return false;
    }
    for (std::uint32_t i = 0; i < nodes_.size(); ++i)
        asio::co_spawn(executor_, keep_connected(i), rethrow);
    co_return true;
}

void cql_cluster::stop()
{
    stopped_ = true;
    for (auto& one : nodes_)
        for (auto& connection : one.connections) connection->close(errc::cancelled);
}

asio::awaitable<std::shared_ptr<cql_connection>> cql_cluster::open_contact(cql_failure& why)
{
    facts_ = {};
    for (const auto& contact : to_.contact_points()) {
        const auto addresses = resolve(contact.host, contact.port);
        if (!addresses) {
            why = {
                .error = errc::connect_failed,
                .code = 0,
                .text = contact.host + " cannot be resolved",
                .write_type = {}};
            continue;
        }
        // Named: GCC 12 destroys a braced argument of a coroutine twice.
        cql_login login{to_, tls_};
        login.to.host = contact.host;
        login.charges = charges_;
        for (const auto& at : *addresses) {
            auto connection = co_await cql_connection::open(executor_, at, login, why);
            if (!connection) continue;
            contact_ = contact;
            facts_.version = connection->version();
            nodes_.clear();
            nodes_.push_back({.at = at, .connections = {connection}});
            co_return connection;
        }
    }
    co_return nullptr;
}

asio::awaitable<bool>
cql_cluster::read_local(std::shared_ptr<cql_connection> contact, cql_failure& why)
{
    const auto reply = co_await query_on(
        contact, std::string(local_text), consistency::one, options_.request_limit, why
    );
    if (!reply) co_return false;
    const auto rows = protocol::parse_rows(reply->message.view());
    if (!rows || rows->size() != 1) {
        why.error = errc::malformed;
        co_return false;
    }
    std::vector<protocol::cell> cells;
    rows->front().read(cells);
    facts_.name = text_of(cells[0]);
    facts_.release = text_of(cells[1]);
    facts_.partitioner = text_of(cells[2]);
    facts_.datacenter = text_of(cells[3]);
    if (cells[4] && !add_tokens(0, *cells[4])) why.error = errc::malformed;
    co_return !why;
}

asio::awaitable<bool>
cql_cluster::read_peers(std::shared_ptr<cql_connection> contact, cql_failure& why)
{
    auto reply = co_await query_on(
        contact, std::string(peers_v2_text), consistency::one, options_.request_limit, why
    );
    if (!reply && why.error == make_error_code(errc::server_error))  // before 4.0
        reply = co_await query_on(
            contact, std::string(peers_text), consistency::one, options_.request_limit, why
        );
    if (!reply) co_return false;
    const auto rows = protocol::parse_rows(reply->message.view());
    if (!rows) {
        why.error = rows.error();
        co_return false;
    }
    std::vector<protocol::cell> cells;
    for (const auto& peer : *rows) {
        peer.read(cells);
        const auto its = peer_of(cells, contact_.port);
        if (!its || its->datacenter != facts_.datacenter) continue;
        nodes_.push_back({.at = its->at, .connections = {}});
        const auto number = static_cast<std::uint32_t>(nodes_.size() - 1);
        if (!add_tokens(number, its->tokens)) why.error = errc::malformed;
    }
    std::sort(facts_.ring.begin(), facts_.ring.end(), [](auto& a, auto& b) { return a.at < b.at; });
    co_return !why;
}

// A set<text>. Tokens of other partitioners are no numbers of 64 bits: then there is no ring.
bool cql_cluster::add_tokens(std::uint32_t number, bytes_view tokens)
{
    if (!facts_.partitioner.ends_with("Murmur3Partitioner")) return true;
    protocol::cursor in(tokens);
    for (auto left = in.int_(); left > 0 && in.ok(); --left) {
        const auto text = in.long_string();
        copy::ring_token token{{}, number};
        const auto* end = text.data() + text.size();
        const auto parsed = std::from_chars(text.data(), end, token.at.value);
        if (parsed.ec != std::errc{} || parsed.ptr != end) return false;
        facts_.ring.push_back(token);
    }
    return in.ok();
}

// Keeps the wanted number of connections to one node until the end.
asio::awaitable<void> cql_cluster::keep_connected(std::uint32_t number)
{
    std::uint32_t failures = 0;
    while (!stopped_) {
        auto& connections = nodes_[number].connections;
        std::erase_if(connections, [](const auto& c) { return !c->is_open(); });
        if (connections.size() >= options_.connections_per_node) {
            co_await pause(std::chrono::milliseconds(200));
            continue;
        }
        cql_failure why;
        const auto at = nodes_[number].at;
        cql_login login{to_, tls_, facts_.version};
        login.to.host = contact_.host;
        login.is_peer = number != 0;
        login.charges = charges_;
        auto opened = co_await cql_connection::open(executor_, at, login, why);
        if (stopped_) {
            if (opened) opened->close(errc::cancelled);
            co_return;
        }
        auto& reported = nodes_[number].reported;
        if (opened) {
            nodes_[number].connections.push_back(opened);
            if (std::exchange(reported, false))
                log_(log_level::info, options_.side + " " + at.text() + " answers again");
            failures = 0;
            continue;
        }
        if (!std::exchange(reported, true))
            log_(
                log_level::warning,
                options_.side + " " + at.text() + " does not answer: " + why.describe()
            );
        co_await pause(policy::delay(reconnect_schedule, ++failures, random_()));
    }
}

// Ends early when the cluster is stopped.
asio::awaitable<void> cql_cluster::pause(std::chrono::milliseconds delay)
{
    using namespace std::chrono;
    asio::steady_timer timer(executor_);
    const auto until = steady_clock::now() + delay;
    while (!stopped_) {
        const auto left = duration_cast<milliseconds>(until - steady_clock::now());
        if (left.count() <= 0) co_return;
        co_await sleep_for(timer, std::min(left, milliseconds(100)));
    }
}

std::vector<socket_address> cql_cluster::addresses() const
{
    std::vector<socket_address> out;
    for (const auto& one : nodes_) out.push_back(one.at);
    return out;
}

std::shared_ptr<cql_connection> cql_cluster::connection(std::uint32_t number)
{
    const auto least_busy = [](const node& of) {
        std::shared_ptr<cql_connection> best;
        for (const auto& c : of.connections)
            if (c->has_room() && (!best || c->in_flight() < best->in_flight())) best = c;
        return best;
    };
    for (std::size_t i = 0; i < nodes_.size(); ++i)
        if (auto found = least_busy(nodes_[(number + i) % nodes_.size()])) return found;
    return nullptr;
}

std::uint32_t cql_cluster::owner_of(copy::token t) const noexcept
{
    const auto& ring = facts_.ring;
    if (ring.empty()) return 0;
    const auto at = std::lower_bound(ring.begin(), ring.end(), t, [](const auto& a, copy::token b) {
        return a.at < b;
    });
    return at == ring.end() ? ring.front().node : at->node;
}

}  // namespace dualwrite::engine
