#include "link_pool.hpp"

#include <dualwrite/engine/tls.hpp>
#include <dualwrite/policy/retry.hpp>

#include <algorithm>

namespace dualwrite::engine {

namespace {

constexpr policy::retry_schedule reconnects{
    std::chrono::milliseconds(100), std::chrono::milliseconds(5000)};

}  // namespace

link_pool::link_pool(
    loop& on, proxy_shared& shared, bool source, std::size_t size, std::function<void()> wake
)
    : loop_(on), shared_(shared), source_(source), wake_(std::move(wake)), size_(size)
{
}

// A connection to a node that is listed no more serves until it ends.
void link_pool::follow_nodes()
{
    const auto version = shared_.nodes_version();
    if (version == nodes_seen_) return;
    nodes_seen_ = version;
    nodes_ = shared_.nodes(source_);
    std::erase_if(slots_, [&](const slot& its) {
        return its.link->where() == channel::state::closed && node_of(its) == nullptr;
    });
    link_owner& owner = *this;
    for (const auto& node : nodes_) {
        const auto known = std::count_if(slots_.begin(), slots_.end(), [&](const slot& its) {
            return its.node == node.name;
        });
        for (auto have = static_cast<std::size_t>(known); have < size_; ++have) {
            slot added;
            added.link = std::make_unique<cluster_link>(loop_, owner);
            added.node = node.name;
            slots_.push_back(std::move(added));
        }
    }
}

const cluster_node* link_pool::node_of(const slot& which) const noexcept
{
    for (const auto& node : nodes_)
        if (node.name == which.node) return &node;
    return nullptr;
}

// For people.
std::string link_pool::label(const slot& which) const
{
    return std::string(side()) + " " +
           (which.node == where().text() ? where().label() : which.node);
}

const endpoint& link_pool::where() const noexcept
{
    return source_ ? shared_.options.source : shared_.options.target;
}

link_pool::slot& link_pool::slot_of(cluster_link& link) noexcept
{
    for (auto& its : slots_)
        if (its.link.get() == &link) return its;
    DW_ASSERT(false);
    return slots_.front();
}

void link_pool::tick()
{
    follow_nodes();
    const auto now = loop_.steady_ms();
    for (auto& its : slots_) {
        if (its.link->is_ready()) its.link->check_timeouts(now, shared_.options.patience.answer_ms);
        its.link->keep_alive(now, shared_.options.patience.idle_ms);
        if (!its.link->is_ready() && its.link->where() != channel::state::closed &&
            now > its.next_try_ms)
            its.link->give_up("no connection in time");
        const bool new_login =
            its.link->login_refused() && its.logins_seen != shared_.logins_version();
        if (wanted_ && its.link->where() == channel::state::closed &&
            (now >= its.next_try_ms || new_login))
            connect(its);
    }
}

void link_pool::connect(slot& which)
{
    const auto* node = node_of(which);
    which.logins_seen = shared_.logins_version();
    const auto& who = which.user = source_ ? shared_.source_login() : shared_.target_login();
    if (node == nullptr) {
        which.next_try_ms = loop_.steady_ms() + reconnects.max.count();
        return;
    }
    const auto& address = node->addresses[which.address % node->addresses.size()];
    auto fd = start_connect(address, shared_.options.lost_peer_limit_ms);
    if (!fd) {
        on_link_down(*which.link, fd.error().message(), 0);
        return;
    }
    const auto tls = source_ ? shared_.tls.source() : shared_.tls.target();
    std::unique_ptr<tls_session> session;
    if (tls) {
        const auto& name = where().tls_server_name;
        session = tls->connect(fd->get(), name.empty() ? node->host : name, node->is_peer);
    }
    protocol::handshake_options options;
    options.username = who.username;
    options.password = who.password;
    options.throw_on_overload = true;
    // Version 3 has no unset values: they would become nulls, which delete.
    if (!source_) options.versions = {5, 4};
    which.next_try_ms = loop_.steady_ms() + shared_.options.patience.connect_ms;
    which.link->connect(
        transport(std::move(*fd), std::move(session)), std::move(options), which.version
    );
}

void link_pool::on_link_ready(cluster_link& link)
{
    auto& its = slot_of(link);
    its.attempts = 0;
    if (!source_) shared_.target_wants_login.store(false);
    auto& reachable = source_ ? shared_.source_reachable : shared_.target_reachable;
    if (!reachable.exchange(true)) {
        shared_.log(
            log_level::info,
            label(its) + ": connected, protocol version " + std::to_string(link.version())
        );
        if (!source_) shared_.target_facts_wanted.store(true);
    }
    wake_();
}

void link_pool::on_link_down(cluster_link& link, const std::string& why, std::uint8_t version)
{
    auto& its = slot_of(link);
    if (version != 0) {
        its.version = version;
        its.next_try_ms = 0;
        return;
    }
    ++its.address;
    its.version = 5;  // a guess, or another server, or the same after an upgrade
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    its.next_try_ms =
        loop_.steady_ms() + policy::delay(reconnects, ++its.attempts, random_).count();
    if (source_)
        shared_.want_shapes();  // finds out whether it is away
    else if (!any_ready())
        shared_.target_reachable.store(false);
    // A node that was found is one more way; that it is none harms nobody.
    const auto* node = node_of(its);
    shared_.log_limited(
        node != nullptr && node->is_peer ? log_level::info : log_level::warning,
        label(its) + ": " + (link.login_refused() ? refused_login(its, why) : why) +
            "; connecting again"
    );
}

// What the operator is told of it, and what comes next.
std::string link_pool::refused_login(slot& which, const std::string& why)
{
    const auto flag = "--" + std::string(side()) + "-username";
    if (which.user.known()) {
        shared_.login_refused(source_, which.user);
        return why + " (user '" + which.user.username + "'; another one can be given with " + flag +
               ")";
    }
    if (!source_) shared_.target_wants_login.store(true);
    return "it wants credentials and none are known yet: writes wait until the first client logs "
           "in, or give " +
           flag + " and its password";
}

cluster_link* link_pool::pick() noexcept
{
    cluster_link* best = nullptr;
    std::size_t chosen = 0;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        const auto at = (next_ + i) % slots_.size();
        auto& link = *slots_[at].link;
        if (!link.has_room()) continue;
        // One connection a turn: one packet.
        if (link.unsent_size() != 0) return &link;
        if (best != nullptr && link.in_flight() >= best->in_flight()) continue;
        best = &link;
        chosen = at;
    }
    if (best != nullptr) next_ = chosen + 1;
    return best;
}

bool link_pool::any_ready() const noexcept
{
    return ready_count() != 0;
}

std::size_t link_pool::ready_count() const noexcept
{
    std::size_t count = 0;
    for (const auto& its : slots_) count += its.link->is_ready() ? 1 : 0;
    return count;
}

bool link_pool::has_unsent() const noexcept
{
    return unsent_size() != 0;
}

std::size_t link_pool::unsent_size() const noexcept
{
    std::size_t size = 0;
    for (const auto& its : slots_) size += its.link->unsent_size();
    return size;
}

void link_pool::flush()
{
    for (auto& its : slots_) its.link->flush_requests();
}

void link_pool::close()
{
    wanted_ = false;
    for (auto& its : slots_) its.link->close();
}

}  // namespace dualwrite::engine
