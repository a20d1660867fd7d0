#include "copy_writer.hpp"

#include <dualwrite/policy/retry.hpp>

#include <asio/co_spawn.hpp>

#include "copy_reader.hpp"

namespace dualwrite::engine {

namespace {

using std::chrono::steady_clock;

constexpr policy::retry_schedule write_schedule{
    std::chrono::milliseconds(10), std::chrono::milliseconds(3000)};
// Requests that wait for a place in the window, at most; what keeps the pipe full.
constexpr std::size_t ready_max = 512;
constexpr auto pace_look_again = std::chrono::milliseconds(100);

void rethrow(std::exception_ptr error)
{
    if (error) std::rethrow_exception(error);
}

}  // namespace

class copy_writer::operation final : public response_sink {
public:
    explicit operation(copy_writer& owner) : owner_(owner) {}

    void on_response(protocol::opcode, bytes_view) override { owner_.on_done(*this); }
    void on_failure(const cql_failure& failure) override { owner_.on_failure(*this, failure); }

    write_request request;
    std::uint32_t attempts{0};
    steady_clock::time_point first_sent;
    steady_clock::time_point sent;
    std::shared_ptr<cql_connection> connection;

private:
    copy_writer& owner_;
};

copy_writer::copy_writer(
    asio::any_io_executor executor, cql_cluster& target, copy_writer_options options
)
    : executor_(executor), target_(target), options_(options), window_(options.window),
      settled_(target.charges()), timer_(executor), pace_timer_(executor), room_(executor)
{
}

copy_writer::~copy_writer()
{
    DW_ASSERT(in_flight_ == 0 && ready_.empty() && later_.empty());
}

write_request& copy_writer::next_request()
{
    if (filling_ == nullptr) {
        if (free_.empty()) {
            all_.push_back(std::make_unique<operation>(*this));
            free_.push_back(all_.back().get());
        }
        filling_ = free_.back();
        free_.pop_back();
        filling_->request.body.clear();
        filling_->request.ttl_patches.clear();
        filling_->attempts = 0;
    }
    return filling_->request;
}

void copy_writer::submit(write_tracker& tracker)
{
    auto& op = *std::exchange(filling_, nullptr);
    op.request.tracker = &tracker;
    ++tracker.open;
    ready_.push_back(&op);
    pump();
}

asio::awaitable<void> copy_writer::wait_for_room()
{
    while (!stopped_ && ready_.size() + later_.size() >= ready_max) co_await room_.wait();
}

asio::awaitable<void> copy_writer::settle(write_tracker& tracker)
{
    while (tracker.open != 0) co_await tracker.changed.wait();
}

void copy_writer::pump()
{
    if (std::exchange(pumping_, true)) return;  // a failed send comes back here
    while (!ready_.empty() && (stopped_ || may_send())) {
        auto& op = *ready_.front();
        ready_.pop_front();
        if (stopped_ || op.request.tracker->failure) {
            // The range fails anyway; nothing of it needs to be sent any more.
            give_up(op, {.error = errc::cancelled, .code = 0, .text = {}, .write_type = {}});
        } else if (!send(op)) {
            on_failure(
                op,
                {.error = errc::connect_failed,
                 .code = 0,
                 .text = "no connection to the target",
                 .write_type = {}}
            );
        }
    }
    pumping_ = false;
    if (stopped_ || ready_.size() + later_.size() < ready_max) room_.notify();
}

// False: the window is full, or the budget is used up, and then pump() is called again in time.
bool copy_writer::may_send()
{
    if (in_flight_ >= window_.size()) return false;
    if (options_.units == nullptr) return true;
    const auto wait = options_.units->wait(steady_clock::now());
    if (wait.count() == 0) return true;
    // The limit may be raised meanwhile.
    const auto longest = std::chrono::nanoseconds(pace_look_again);
    pace_timer_.expires_after(std::min(wait, longest));
    // Asio may call it after the timer is gone.
    const std::weak_ptr<bool> alive = alive_;
    pace_timer_.async_wait([this, alive](std::error_code cancelled) {
        if (!cancelled && !alive.expired()) pump();
    });
    return false;
}

void copy_writer::settle_cost(bool worked)
{
    if (options_.units == nullptr) return;
    const auto& charges = target_.charges();
    options_.units->on_end(
        charges.units - settled_.units, charges.answers - settled_.answers, worked
    );
    settled_ = charges;
}

bool copy_writer::send(operation& op)
{
    if (options_.units != nullptr) options_.units->on_send();
    op.sent = steady_clock::now();
    if (op.attempts++ == 0) op.first_sent = op.sent;
    // Version 5 sends the time that the TTLs count from along with them; for others it is now.
    if (target_.facts().version < 5)
        copy::patch_ttls(op.request.body, op.request.ttl_patches, now_seconds());
    op.connection = target_.connection(op.request.node);
    if (!op.connection) {
        ++in_flight_;  // on_failure() takes it back
        return false;
    }
    const auto append = [&](byte_buffer& out) { out.append(op.request.body.view()); };
    ++in_flight_;
    return op.connection->send(op.request.op, op, target_.request_limit(), append);
}

void copy_writer::on_done(operation& op)
{
    window_.on_success(in_flight_);
    --in_flight_;
    settle_cost(true);
    auto& tracker = *op.request.tracker;
    tracker.rows_done += op.request.rows;
    tracker.cells_done += op.request.cells;
    release(op);
    pump();
}

void copy_writer::on_failure(operation& op, const cql_failure& failure)
{
    using policy::target_action;
    --in_flight_;
    settle_cost(false);
    const auto now = steady_clock::now();
    policy::target_verdict verdict{target_action::retry};
    if (failure.error == make_error_code(errc::server_error))
        verdict = policy::judge_target_error(failure.code, failure.text, true);
    if (verdict.action == target_action::reprepare && op.attempts < 10) {
        prepare_for(op);
    } else if (
        verdict.action == target_action::permanent || stopped_ ||
        now - op.first_sent > options_.retry_limit ||
        failure.error == make_error_code(errc::cancelled)
    ) {
        give_up(op, failure);
    } else {
        window_.on_overload(op.sent, now);
        target_.count_retry(failure);
        const auto delay = verdict.action == target_action::retry_after
                               ? verdict.delay
                               : policy::delay(write_schedule, op.attempts, target_.random());
        retry_later(op, delay);
    }
    pump();
}

void copy_writer::retry_later(operation& op, std::chrono::milliseconds delay)
{
    op.connection.reset();
    later_.emplace(steady_clock::now() + delay, &op);
    arm_timer();
}

void copy_writer::arm_timer()
{
    if (later_.empty()) return;
    timer_.expires_at(later_.begin()->first);
    timer_.async_wait([this](std::error_code cancelled) {
        if (cancelled) return;
        const auto now = steady_clock::now();
        while (!later_.empty() && later_.begin()->first <= now) {
            ready_.push_front(later_.begin()->second);
            later_.erase(later_.begin());
        }
        arm_timer();
        pump();
    });
}

void copy_writer::prepare_for(operation& op)
{
    auto& waiting = teaching_[op.connection];
    waiting.push_back(&op);
    if (waiting.size() == 1) asio::co_spawn(executor_, teach(op.connection), rethrow);
}

asio::awaitable<void> copy_writer::teach(std::shared_ptr<cql_connection> connection)
{
    cql_failure why;
    for (std::size_t i = 0; i < statements_.size() && !why; ++i)
        co_await target_.prepare_on(connection, statements_[i], why);
    const auto waiting = std::move(teaching_[connection]);
    teaching_.erase(connection);
    for (auto* op : waiting) {
        if (why.error == make_error_code(errc::unsupported))
            give_up(*op, why);
        else
            ready_.push_front(op);
    }
    pump();
}

void copy_writer::give_up(operation& op, const cql_failure& failure)
{
    auto& tracker = *op.request.tracker;
    if (!tracker.failure) tracker.failure = failure;
    release(op);
}

void copy_writer::release(operation& op)
{
    op.connection.reset();
    auto& tracker = *op.request.tracker;
    --tracker.open;
    tracker.changed.notify();
    free_.push_back(&op);
}

void copy_writer::stop()
{
    stopped_ = true;
    timer_.cancel();
    pace_timer_.cancel();
    for (auto& [due, op] : later_) ready_.push_back(op);
    later_.clear();
    pump();
}

}  // namespace dualwrite::engine
