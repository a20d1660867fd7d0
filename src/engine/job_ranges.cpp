#include "job_ranges.hpp"

#include <dualwrite/policy/retry.hpp>

#include <asio/co_spawn.hpp>

namespace dualwrite::engine {

namespace {

constexpr std::uint32_t attempts_max = 4;
constexpr policy::retry_schedule schedule{
    std::chrono::milliseconds(500), std::chrono::milliseconds(10'000)};

void rethrow(std::exception_ptr error)
{
    if (error) std::rethrow_exception(error);
}

// Half of the request may succeed.
bool is_too_much(const cql_failure& failure)
{
    using protocol::error_code;
    const auto code = static_cast<error_code>(failure.code);
    return failure.error == make_error_code(errc::timed_out) ||
           (failure.error == make_error_code(errc::server_error) &&
            (code == error_code::read_timeout || code == error_code::read_failure));
}

// Not this range is the matter: the others would fail as well, each after as long a time.
bool is_away(const cql_failure& failure)
{
    return failure.error == make_error_code(errc::connect_failed);
}

bool is_permanent(const cql_failure& failure)
{
    if (failure.error == make_error_code(errc::malformed) ||
        failure.error == make_error_code(errc::unsupported))
        return true;
    if (failure.error != make_error_code(errc::server_error)) return false;
    const auto verdict = policy::judge_target_error(failure.code, failure.text, true);
    return verdict.action == policy::target_action::permanent;
}

}  // namespace

range_runner::range_runner(asio::any_io_executor executor, std::uint32_t workers, actions to_do)
    : executor_(executor), workers_(workers), do_(std::move(to_do)), ended_(executor)
{
}

asio::awaitable<void> range_runner::run(std::vector<copy::planned_range> ranges)
{
    for (const auto& planned : ranges) queue_.push_back({planned, 0});
    working_ = static_cast<std::uint32_t>(std::min<std::size_t>(workers_, queue_.size()));
    for (auto left = working_; left > 0; --left) asio::co_spawn(executor_, work(), rethrow);
    while (working_ != 0) co_await ended_.wait();
}

asio::awaitable<void> range_runner::work()
{
    while (!queue_.empty() && !do_.stopping() && !gave_up_) {
        const auto next = queue_.front();
        queue_.pop_front();
        co_await run_one(next);
    }
    --working_;
    ended_.notify();
}

asio::awaitable<void> range_runner::run_one(task next)
{
    const auto failure = co_await do_.attempt(next);
    if (do_.stopping()) co_return;
    if (!failure) {
        ++ranges_done_;
        if (!do_.on_done(next)) gave_up_ = true;
        co_return;
    }
    if (!prepare_retry(next, failure)) {
        do_.on_failed(next.planned.range, failure);
        gave_up_ |= is_away(failure);
        co_return;
    }
    asio::steady_timer timer(executor_);
    const auto delay = policy::delay(schedule, next.attempts, do_.random());
    co_await sleep_for(timer, delay);
    queue_.push_front(next);
}

// False: it has failed for good. The upper half of what asked for too much becomes a task of its
// own and `next` shrinks to the lower half.
bool range_runner::prepare_retry(task& next, const cql_failure& failure)
{
    if (is_permanent(failure) || ++next.attempts >= attempts_max) return false;
    do_.on_retry(
        "range " + copy::to_text(next.planned.range) + " is tried again: " + failure.describe()
    );
    if (is_too_much(failure) && copy::width(next.planned.range) > 1) {
        const auto halves = copy::split(next.planned.range, 2);
        queue_.push_back({{halves[1], next.planned.node}, next.attempts});
        next.planned.range = halves[0];
    }
    return true;
}

}  // namespace dualwrite::engine
