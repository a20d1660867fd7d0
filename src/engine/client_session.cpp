#include "client_session.hpp"

#include <dualwrite/engine/tls.hpp>

#include <algorithm>

namespace dualwrite::engine {

namespace {

// What the source may be behind before its client is read no further.
constexpr std::size_t backlog_max = 1024 * 1024;
// Of a client that is not logged in: anyone can send it.
constexpr std::size_t stranger_request_size_max = 128 * 1024;
// Requests that are smaller need no place in the budget before they are read.
constexpr std::size_t small_request_size = 16 * 1024;

}  // namespace

client_session::client_session(
    worker& on, std::uint64_t id, const client_limits::address& from
) noexcept
    : worker_(on), id_(id), from_(from), accepted_ms_(on.on().steady_ms()), heard_ms_(accepted_ms_),
      client_(on.on(), *this), source_(on.on(), *this),
      to_source_(
          source_,
          requests_,
          std::min<std::size_t>(on.shared().options.request_size_max, stranger_request_size_max)
      ),
      to_client_(client_, responses_, 0x7fffffff)
{
}

client_session::~client_session()
{
    if (orphan_timer_ != 0) worker_.on().cancel_timer(orphan_timer_);
    if (slow_timer_ != 0) worker_.on().cancel_timer(slow_timer_);
    worker_.shared().clients.leave(from_);
}

void client_session::start(unique_fd client)
{
    std::unique_ptr<tls_session> tls;
    if (const auto listener = worker_.shared().tls.listener()) tls = listener->accept(client.get());
    learn_own_address(client.get());
    client_.start(transport(std::move(client), std::move(tls)), false);
    client_.pause_reading(true);
    target_losses_seen_ = worker_.target_losses();
    connect_source();
}

void client_session::connect_source()
{
    auto& shared = worker_.shared();
    const auto addresses = shared.source_addresses();
    std::string why = "its name cannot be resolved";
    while (address_tries_ < addresses.size()) {
        const auto& address = addresses[address_tries_++];
        auto fd = start_connect(address, shared.options.lost_peer_limit_ms);
        if (!fd) {
            why = fd.error().message();
            continue;
        }
        std::unique_ptr<tls_session> tls;
        const auto& where = shared.options.source;
        if (const auto source = shared.tls.source())
            tls = source->connect(
                fd->get(), where.tls_server_name.empty() ? where.host : where.tls_server_name
            );
        return source_.start(transport(std::move(*fd), std::move(tls)), true);
    }
    source_error_ = "dualwrite: the source " + shared.options.source.label() +
                    " cannot be reached (" + why + "); trying again with each connection";
    shared.source_is_away();
    shared.log_limited(log_level::warning, source_error_);
    resume_client();
}

void client_session::source_opened()
{
    source_was_open_ = true;
    worker_.shared().source_reachable.store(true);
    resume_client();
}

void client_session::resume_client()
{
    if (!draining_ && slow_timer_ == 0) client_.pause_reading(false);
}

std::size_t client_session::client_side::on_bytes(bytes_view bytes, std::size_t& wanted)
{
    its.heard_ms_ = on().steady_ms();
    if (its.is_behind_target()) {
        its.begin_drain();
        return bytes.size();
    }
    const auto taken = its.to_source_.feed(bytes, wanted);
    its.expect_request(wanted);
    if (its.source_.backlog() > its.allowed_backlog(backlog_max)) pause_reading(true);
    return taken;
}

std::size_t client_session::source_side::on_bytes(bytes_view bytes, std::size_t& wanted)
{
    its.heard_ms_ = on().steady_ms();
    const auto taken = its.to_client_.feed(bytes, wanted);
    const auto allowed = its.allowed_backlog(its.worker_.shared().options.write_buffer_size);
    if (its.client_.backlog() > allowed) pause_reading(true);
    its.finish_if_idle();
    return taken;
}

// While memory is short nobody whose peer is slow is read any further.
std::size_t client_session::allowed_backlog(std::size_t usually) const noexcept
{
    return worker_.shared().memory.is_short() ? 0 : usually;
}

// A request that has begun: what is collected of it, and what the source may be slow to take of
// it. In segments it is collected twice, as envelope and as it came.
void client_session::expect_request(std::size_t wanted)
{
    constexpr std::size_t copies = 2, copies_in_segments = 4;
    std::size_t needed = wanted > small_request_size ? copies * wanted : 0;
    const auto collecting = to_source_.collecting();
    if (collecting > small_request_size) needed = std::max(needed, copies_in_segments * collecting);
    client_.expect(needed);
    if (client_.is_starved()) worker_.wait_for_memory(*this);
}

void client_session::source_closed(std::error_code error)
{
    source_.close();
    if (!source_was_open_) {
        if (address_tries_ < worker_.shared().source_addresses().size()) return connect_source();
        source_error_ = "dualwrite: the source " + worker_.shared().options.source.label() +
                        " cannot be reached (" +
                        (!source_.why().empty() ? source_.why()
                         : error                ? error.message()
                                                : "it closed the connection") +
                        "); trying again with each connection";
        worker_.shared().source_is_away();
        worker_.shared().log_limited(log_level::warning, source_error_);
        return resume_client();
    }
    give_up_pending();
    to_source_.stop();
    to_client_.stop();
    source_lost_ = true;
    if (client_.where() == channel::state::closed) return finish();
    finish_if_idle();
}

// Nobody knows what became of these: they are sent to the source again.
void client_session::give_up_pending()
{
    for (auto& p : pending_) {
        give_up(p);
        p = {};
    }
    for (const auto& letter : letters_)
        if (letter) worker_.shared().keep(*letter);
    letters_.clear();
    answers_due_.clear();
    writes_in_flight_ = in_flight_ = 0;
}

void client_session::client_closed(std::error_code error)
{
    if (version_ == 0 && error == make_error_code(errc::handshake_failed))
        worker_.shared().log_limited(log_level::warning, "a client: " + client_.why());
    to_source_.stop();
    if (writes_in_flight_ == 0 || !source_.is_open()) {
        source_.close();
        give_up_pending();
        return finish();
    }
    // Their outcome decides what the target gets; that they lie behind a result which the client
    // was too slow for must not keep them.
    source_.pause_reading(false);
    orphan_timer_ = worker_.on().start_timer(worker_.shared().options.patience.orphan_ms, [this] {
        orphan_timer_ = 0;
        source_.close();
        give_up_pending();
        finish();
    });
}

const char* client_session::overdue() const noexcept
{
    if (client_.where() == channel::state::closed) return nullptr;
    const auto& options = worker_.shared().options;
    const auto now = worker_.on().steady_ms();
    const auto stall_limit_ms = options.patience.stall_ms;
    const auto silent = now - heard_ms_;
    if (!logged_in_ && options.login_limit_ms != 0 && now - accepted_ms_ > options.login_limit_ms)
        return "it did not log in in time (--login-limit)";
    if (client_.has_partial() && !client_.reading_paused() && silent > stall_limit_ms)
        return "it stopped in the middle of a request";
    const auto moved_ms = client_.backlog_moved_ms();
    if (moved_ms != 0 && now - moved_ms > stall_limit_ms && worker_.shared().memory.is_short())
        return "it does not take its answers, and memory is short (--memory-max)";
    const bool waits = in_flight_ != 0 || answers_held_ != 0;
    if (options.idle_limit_ms != 0 && !waits && silent > options.idle_limit_ms)
        return "it was silent for too long (--tcp-idle-time-out)";
    return nullptr;
}

void client_session::expire()
{
    client_.close();
    client_closed({});
}

void client_session::logged_in()
{
    logged_in_ = true;
    to_source_.set_body_size_max(worker_.shared().options.request_size_max);
}

void client_session::begin_drain()
{
    draining_ = true;
    client_.pause_reading(true);
    finish_if_idle();
}

// With --dest-close: the target was lost while this client was there.
bool client_session::is_behind_target() const
{
    return worker_.shared().options.close_when_target_lost &&
           target_losses_seen_ != worker_.target_losses();
}

void client_session::abandon()
{
    for (const auto& letter : letters_)
        if (letter) worker_.shared().keep(*letter);
    letters_.clear();
    client_.close();
    source_.close();
}

void client_session::finish_if_idle()
{
    const bool client_gone = client_.where() == channel::state::closed;
    if (client_gone && writes_in_flight_ == 0 && source_.where() != channel::state::closed) {
        source_.close();
        return finish();
    }
    if (client_gone || answers_held_ != 0) return;
    // What the source has begun to say is passed on to its end.
    const bool drained = draining_ && in_flight_ == 0 && !to_client_.is_streaming();
    if (drained || source_lost_) client_.close_when_sent();
}

void client_session::finish()
{
    if (ended_) return;
    ended_ = true;
    worker_.session_ended(*this);
}

void client_session::send_held(bytes_view envelope)
{
    --answers_held_;
    to_client_.send_own(envelope);
    finish_if_idle();
}

}  // namespace dualwrite::engine
