#include "worker.hpp"

#include <cerrno>
#include <sys/socket.h>

#include "client_session.hpp"

namespace dualwrite::engine {

namespace {

constexpr std::int64_t tick_ms = 50;
// How long and how much waits for the target's packet to fill.
constexpr int target_hold_ms = 1;
constexpr std::size_t target_hold_size = std::size_t{64} * 1024;
// Answers that can be held at a time; those beyond go to the client at once.
constexpr std::size_t held_max = 16 * 1024;
// The clock's mark in the spool runs ahead by this, so that it is written once a second at most.
constexpr std::int64_t clock_margin_us = 2'000'000;

}  // namespace

worker::worker(
    proxy_shared& shared, std::unique_ptr<spool_log> log, std::vector<unique_fd> listeners
)
    : shared_(shared), listeners_(std::move(listeners)), source_(loop_, shared, true, 1, [] {}),
      target_(loop_, shared, false, shared.options.target_connections, [] {}),
      source_clock_(loop_, shared, source_)
{
    if (shared.filter) registry_.set_filter(shared.filter);
    registry_.set_selection(shared.options.tables);
    registry_.set_source_times(shared.options.source_times);
    loop_.set_memory(&shared.memory);
    const bool holds = shared.options.wait || shared.options.durable == durability::fsync;
    if (holds) held_.resize(held_max);
    if (shared.options.durable == durability::fsync)
        log->on_durable([this] { loop_.post([this] { release_due(); }); });
    delivery_observer* observer = holds ? this : nullptr;
    live_ = std::make_unique<delivery>(
        delivery_tools{loop_, shared_, counters_, registry_, source_, target_},
        std::move(log),
        observer,
        nullptr
    );
    // What is behind the limit is for outcomes, too, and for all loops.
    const auto reserve = shared.options.spool_size_max - shared.spool->size_limit();
    dirty_ = std::make_unique<dirty_partitions>(
        *live_, reserve / (4 * shared.options.threads), shared.options.durable == durability::fsync
    );
}

worker::~worker()
{
    join();
}

void worker::adopt(left_log left)
{
    left_.push_back(std::make_unique<delivery>(
        delivery_tools{loop_, shared_, counters_, registry_, source_, target_},
        std::move(left.log),
        nullptr,
        std::move(left.progress)
    ));
    update_backlog();
    shared_.unread.handed_out(left.counted);
}

void worker::start()
{
    thread_ = std::thread([this] {
        begin();
        loop_.run();
        end();
    });
}

void worker::join()
{
    if (thread_.joinable()) thread_.join();
}

void worker::stop()
{
    loop_.stop();
}

void worker::begin_drain()
{
    loop_.post([this] {
        // Taken out before they are closed: another process may have them open, too.
        for (const auto& its : listeners_) loop_.remove(its.get(), *this);
        listeners_.clear();
        // Ending sessions leave the map while it is walked.
        std::vector<std::shared_ptr<client_session>> all;
        for (const auto& [id, session] : sessions_) all.push_back(session);
        for (const auto& session : all) session->begin_drain();
        update_counters();
        counters_.draining.set(1);
    });
}

void worker::begin()
{
    loop_.set_commit([this] { return commit(); });
    for (const auto& its : listeners_) loop_.add(its.get(), *this, EPOLLIN);
    tick();
}

void worker::end()
{
    for (auto& [id, session] : sessions_) session->abandon();
    sessions_.clear();
    source_.close();
    target_.close();
    // What was settled and delivered in the last turn is worth a record.
    live_->log().sync_done(loop_.steady_ms() + 1000);
    (void)live_->log().commit();
    for (auto& left : left_) {
        left->log().sync_done(loop_.steady_ms() + 1000);
        if (left->log().commit() && left->exhausted()) left->log().close_finished();
    }
    update_counters();
}

void worker::on_io(std::uint32_t)
{
    for (const auto& its : listeners_) accept_some(its.get());
}

void worker::accept_some(int listener)
{
    // A few per turn: with SO_REUSEPORT the other loops have queues of their own.
    for (int i = 0; i < 16; ++i) {
        sockaddr_storage peer{};
        socklen_t size = sizeof peer;
        auto* raw = reinterpret_cast<sockaddr*>(&peer);
        unique_fd client(::accept4(listener, raw, &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!client) {
            if (errno == EMFILE || errno == ENFILE)
                shared_.log_limited(
                    log_level::error,
                    "a client was not accepted: too many open files (raise ulimit -n)"
                );
            return;
        }
        const auto from = client_limits::address_of(peer);
        if (!admit(from)) continue;
        tune(client.get(), shared_.options.lost_peer_limit_ms);
        const auto id = next_session_++;
        auto session = std::make_shared<client_session>(*this, id, from);
        sessions_.emplace(id, session);
        counters_.clients_total.add();
        session->start(std::move(client));
    }
}

// False: there are too many, and the connection is closed without a word, as Cassandra does.
bool worker::admit(const client_limits::address& from)
{
    const auto& options = shared_.options;
    const auto found =
        shared_.clients.enter(from, options.clients_max, options.clients_per_address_max);
    if (found == client_limits::verdict::admitted) return true;
    counters_.clients_refused.add();
    const bool total = found == client_limits::verdict::too_many;
    shared_.log_limited(
        log_level::warning,
        total ? "a client was sent away: there are " + std::to_string(options.clients_max) +
                    " already (--clients-max, or the limit of open files: ulimit -n)"
              : "a client was sent away: there are " +
                    std::to_string(options.clients_per_address_max) +
                    " from its address already (--clients-per-address-max)"
    );
    return false;
}

// Once a second: who has been silent for too long, or does not come to the point.
void worker::end_overdue_sessions()
{
    if (loop_.steady_ms() < next_overdue_ms_) return;
    next_overdue_ms_ = loop_.steady_ms() + 1000;
    std::vector<std::shared_ptr<client_session>> overdue;  // ending ones leave the map
    for (const auto& [id, session] : sessions_)
        if (session->overdue() != nullptr) overdue.push_back(session);
    for (const auto& session : overdue) {
        // The memory that one has given back may be enough.
        const auto* const why = session->overdue();
        if (why == nullptr) continue;
        counters_.clients_expired.add();
        shared_.log_limited(log_level::info, std::string("a client was sent away: ") + why);
        session->expire();
    }
}

void worker::session_ended(client_session& session)
{
    const auto found = sessions_.find(session.id());
    if (found == sessions_.end()) return;
    loop_.destroy_later(std::move(found->second));
    sessions_.erase(found);
}

void worker::note_written(const replication::statement& statement)
{
    if (last_count_ == nullptr || statement.table != last_written_) {
        last_written_ = statement.table;
        last_count_ = &counters_.tables.of(last_written_);
        if (written_.insert(last_written_).second) shared_.note_written(last_written_);
    }
    last_count_->add();
}

std::uint32_t worker::log_id(const replication::statement& statement)
{
    if (statement.id >= log_ids_.size()) log_ids_.resize(statement.id + 1);
    auto& known = log_ids_[statement.id];
    // The text says its keyspace itself, so that none goes with it.
    if (known == 0) known = log().intern({}, statement.target_text) + 1;
    return known - 1;
}

// The end of a turn: first the spool, then whatever the turn has to send.
bool worker::commit()
{
    const auto high_water = shared_.clock.high_water();
    if (high_water > clock_recorded_us_) {
        clock_recorded_us_ = high_water + clock_margin_us;
        log().set_clock(clock_recorded_us_);
    }
    if (!log().commit(spool_log::outcomes::applied_may_wait)) {
        shared_.fail("the spool cannot be written: " + log().why());
        return false;
    }
    update_backlog();
    for (auto& left : left_) left->pump();
    live_->pump();
    source_.flush();
    flush_target();
    count_memory();
    feed_waiting();
    return !shared_.failed.load(std::memory_order_relaxed);
}

// What the clients do not wait for may wait a moment for more of its kind: at low load one packet
// then carries the writes of many turns. No timer of its own: the wait for the next turn is cut.
void worker::flush_target()
{
    if (!target_.has_unsent()) return;
    const auto now = loop_.steady_ms();
    if (unsent_since_ms_ == 0) unsent_since_ms_ = now;
    const bool hold = !shared_.options.wait && now == unsent_since_ms_ &&
                      target_.unsent_size() < target_hold_size && target_.pick() != nullptr;
    if (hold) return loop_.wake_within(target_hold_ms);
    unsent_since_ms_ = 0;
    target_.flush();
}

void worker::tick()
{
    loop_.start_timer(tick_ms, [this] { tick(); });
    if (shared_.shapes_version() != shapes_version_) refresh_shapes();
    bool wants_source = live_->wants_source() || source_clock_.wants_source();
    live_->log().sync_done(loop_.steady_ms());
    for (auto& left : left_) {
        wants_source |= left->wants_source();
        left->log().sync_done(loop_.steady_ms());
        if (!left->log().commit())
            shared_.fail("the spool cannot be written: " + left->log().why());
        if (!left->exhausted()) continue;
        left->log().close_finished();
        left.reset();
        shared_.left_logs.fetch_sub(1);
    }
    std::erase(left_, nullptr);
    // Marks that are all that is left keep the files behind them, and so the spool full.
    if (dirty_->size() != 0 && (!shared_.spool->full() || live_->backlog() <= dirty_->size()))
        dirty_->settle(loop_.steady_ms());
    source_.set_wanted(wants_source);
    source_.tick();
    source_clock_.tick();
    target_.tick();
    watch_target();
    feed_waiting();
    release_due();
    end_overdue_sessions();
    update_counters();
}

void worker::watch_target()
{
    const bool ready = target_.any_ready();
    if (target_was_ready_ && !ready) ++target_losses_;
    target_was_ready_ = ready;
}

void worker::refresh_shapes()
{
    shapes_version_ = shared_.shapes_version();
    registry_.set_shapes(shared_.shapes());
}

// Before the turn's answers leave: who has been answered and asks for the status finds the write.
void worker::update_backlog()
{
    std::uint64_t backlog = live_->backlog();
    for (const auto& left : left_) backlog += left->backlog();
    counters_.backlog.set(backlog);
}

void worker::update_counters()
{
    std::int64_t oldest = live_->oldest_accepted_ms();
    for (const auto& left : left_) {
        const auto its = left->oldest_accepted_ms();
        if (its != 0 && (oldest == 0 || its < oldest)) oldest = its;
    }
    update_backlog();
    counters_.oldest_ms.set(static_cast<std::uint64_t>(oldest));
    counters_.clients.set(sessions_.size());
    counters_.target_connections.set(target_.ready_count());
    counters_.heartbeat_ms.set(static_cast<std::uint64_t>(loop_.steady_ms()));
}

}  // namespace dualwrite::engine
