#include "process.hpp"

#include "left_logs.hpp"
#include "proxy_shared.hpp"
#include "tables.hpp"
#include "worker.hpp"

namespace sim {

namespace engine = dualwrite::engine;
namespace replication = dualwrite::replication;

namespace {

constexpr int source_port = 1;
constexpr int target_port = 2;

// What the proxy reads of the source's schema (schema_watch.cpp).
std::shared_ptr<const replication::table_shapes> shapes_of_tables()
{
    auto shapes = std::make_shared<replication::table_shapes>();
    for (const auto& of : all_tables()) {
        auto& shape = (*shapes)[{"ks", of.name}];
        shape.partition_key = {{"p", "int"}};
        if (of.clustered) shape.clustering = {{"c", "int"}};
        for (const auto& column : of.columns) {
            if (column.type == column_type::counter) shape.counter = true;
            if (column.type == column_type::list) shape.lists.push_back(column.name);
            if (is_collection(column.type)) shape.multi_cell.push_back(column.name);
            if (column.is_static) shape.statics.push_back(column.name);
        }
    }
    return shapes;
}

engine::endpoint at_port(int port)
{
    engine::endpoint out;
    out.host = "127.0.0.1";
    out.port = static_cast<std::uint16_t>(port);
    out.tls = false;
    return out;
}

}  // namespace

// In the order of running_proxy's destructor: the refresher ends before the loop.
struct process::parts {
    engine::proxy_shared shared;
    std::unique_ptr<engine::worker> loop;
    std::unique_ptr<engine::left_logs> left;
    bool begun{false};

    ~parts()
    {
        if (shared.refresh) shared.refresh->stop();
        if (loop && begun) loop->end();
        loop.reset();
    }
};

process::process(kernel& on, const process_settings& settings)
    : on_(on), settings_(settings), disk_(std::make_shared<spool_test::memory_disk>())
{
}

process::~process()
{
    on_.kill();
    parts_.reset();
    on_.end_process();
}

void process::on_call()
{
    if (calls_left_ == 0 || on_.is_dead() || --calls_left_ != 0) return;
    next_disk_ = crash_ == crash::killed ? disk_->copy() : lost_power();
    on_.kill();
}

std::shared_ptr<spool_test::memory_disk> process::lost_power()
{
    std::mt19937_64 random(on_.random.next());
    return disk_->lose_power(random);
}

void process::crash_after(std::int64_t calls, crash how)
{
    if (!running_) return;
    calls_left_ = calls;
    crash_ = how;
}

void process::fail_next_write()
{
    if (running_) disk_->fail_at = disk_->calls + 1;
}

void process::open_spool()
{
    auto& shared = parts_->shared;
    engine::spool_options options;
    options.directory = "state/spool";
    options.segment_size = settings_.segment_size;
    options.size_max = std::uint64_t{64} << 20;
    options.logs_max = 4;
    options.background = false;
    options.durable = settings_.durable;
    std::string why;
    auto storage = std::make_shared<watched_storage>(disk_, [this] { on_call(); });
    auto opened = engine::spool_directory::open(options, std::move(storage), why);
    if (!opened) {
        if (!on_.is_dead()) problem_ = "the spool does not open: " + why;
        return;
    }
    shared.spool = std::move(*opened);
    if (const auto mark = shared.spool->clock_high_water_us(); mark > 0) {
        shared.clock.fence(mark / 1000);
        shared.marks.set_floor(mark);
    }
}

void process::start()
{
    ++starts_;
    on_.start_process();
    on_.on_send = [this] { on_call(); };
    disk_->fail_at = 0;
    disk_->failed = false;
    disk_->locked = false;
    calls_left_ = 0;
    parts_ = std::make_unique<parts>();
    running_ = true;
    auto& shared = parts_->shared;
    shared.options.source = at_port(source_port);
    shared.options.target = at_port(target_port);
    shared.options.wait = settings_.wait;
    shared.options.wait_limit_ms = settings_.wait_limit_ms;
    shared.options.durable = settings_.durable;
    shared.options.clients_max = 1000;
    shared.sink = [this](engine::log_level, std::string_view text) { log_.emplace_back(text); };
    open_spool();
    if (!shared.spool) return stop_now("the spool did not open");
    for (const bool source : {true, false}) {
        const auto& where = source ? shared.options.source : shared.options.target;
        auto addresses = *engine::resolve(where.host, where.port);
        shared.set_contacts(source, {{where.text(), where.host, std::move(addresses), false}});
    }
    shared.refresh =
        engine::refresher::make(shared.options.source, shared.options.target, shared.sink);
    auto log = shared.spool->create_log();
    if (!log) return stop_now("no log: " + log.error().message());
    shared.set_shapes(shapes_of_tables());
    std::vector<engine::unique_fd> listeners;
    listeners.emplace_back(on_.listener());
    parts_->loop = std::make_unique<engine::worker>(shared, std::move(*log), std::move(listeners));
    loop_epoll_ = on_.last_epoll();
    parts_->left = std::make_unique<engine::left_logs>(shared);
    // Logs of several files, that are read while clients are served, are rare here: so that goes
    // for others, too.
    const bool all_later = shared.left_logs.load() != 0 && on_.random.chance(500);
    if (!all_later) hand_out_read_logs();
    parts_->loop->begin();
    parts_->begun = true;
    if (shared.unread.logs.load() != 0 || all_later) read_left_logs_later();
    wake_at(on_.now_us());
}

void process::hand_out_read_logs()
{
    std::string why;
    const auto done = parts_->left->hand_out_read(
        [this](engine::left_log log) { parts_->loop->adopt(std::move(log)); }, why
    );
    if (!done && !on_.is_dead()) problem_ = "a log cannot be read: " + why;
}

// One after the other, each after some time in which clients are served.
void process::read_left_logs_later()
{
    const auto delay_us = on_.random.below(2'000'000);
    on_.at(on_.now_us() + delay_us, [this, start = starts_] {
        if (!running_ || on_.is_dead() || start != starts_) return;
        const bool more = parts_->left->read_next([this](engine::left_log log) {
            parts_->loop->adopt(std::move(log));
        });
        if (parts_->shared.failed.load() && !on_.is_dead()) {
            if (disk_->failed) return stop_now(parts_->shared.failure());
            problem_ = "a log cannot be read: " + parts_->shared.failure();
        }
        if (more) read_left_logs_later();
    });
}

void process::stop_now(const std::string& why)
{
    if (parts_) dead_letters_ += parts_->shared.dead_letters();
    // What it still does in its destructors reaches nobody, and no disk.
    if (!next_disk_ && !on_.is_dead()) next_disk_ = disk_->copy();
    on_.kill();
    parts_.reset();
    on_.end_process();
    if (next_disk_) disk_ = std::move(next_disk_);
    next_disk_.reset();
    running_ = false;
    calls_left_ = 0;
    why_ = why;
    if (on_end) on_end(why);
}

void process::wake_at(std::int64_t when_us)
{
    wake_us_ = when_us;
    on_.at(when_us, [this, when_us] {
        if (wake_us_ == when_us) wake_us_ = 0;
    });
}

void process::run()
{
    if (!running_) return;
    bool busy = true;
    for (int rounds = 0; busy && running_; ++rounds) {
        if (rounds > 10'000) {
            problem_ = "the loop does not come to rest";
            return;
        }
        busy = parts_->shared.refresh->poll();
        const auto deadline = on_.deadline_us(loop_epoll_);
        const bool due = deadline >= 0 && deadline <= on_.now_us();
        if (due || on_.is_ready(loop_epoll_)) {
            // The second turn finds nothing: it tells how long the loop would wait now.
            bool goes_on = parts_->loop->on().turn(-1);
            if (goes_on && !on_.is_ready(loop_epoll_)) goes_on = parts_->loop->on().turn(-1);
            busy = true;
            if (!goes_on && !on_.is_dead()) return stop_now(parts_->shared.failure());
        }
        if (on_.is_dead()) return stop_now("crash");
        if (parts_->shared.dead_letters() != 0 && problem_.empty())
            problem_ = "a write became a dead letter";
    }
    const auto deadline = on_.deadline_us(loop_epoll_);
    if (deadline >= 0 && (wake_us_ == 0 || deadline < wake_us_)) wake_at(deadline);
}

std::uint64_t process::backlog() const
{
    return running_ ? parts_->loop->counters().backlog.get() : 0;
}

bool process::is_idle() const
{
    return running_ && backlog() == 0 && parts_->shared.left_logs.load() == 0 &&
           parts_->shared.refresh->counts().in_work == 0;
}

}  // namespace sim
