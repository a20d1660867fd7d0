#include <chrono>
#include <random>
#include <set>
#include <thread>

#include "spool_support.hpp"

// With durability::fsync: loss of power at random moments, or a kill -9, over several runs. Of what
// was not synced any sector may be there or not.

using namespace spool_test;

namespace {

struct promised_log {
    std::uint64_t durable{0};
    std::set<std::uint64_t> finished;  // delivered, or void: may be gone
};

class machine {
public:
    explicit machine(std::uint64_t seed) : random_(seed)
    {
        options_ = small_options();
        options_.durable = durability::fsync;
        options_.background = true;
    }

    void run()
    {
        for (int generation = 1; generation <= 4; ++generation) {
            CAPTURE(generation);
            one_run(generation);
        }
        const auto directory = must_open(disk_, options_);
        check(take_left(*directory));
    }

private:
    std::uint64_t roll(std::uint64_t sides) { return random_() % sides; }

    void one_run(int generation)
    {
        if (roll(2) == 0) interrupt_opening();
        if (roll(2) == 0) interrupt_reading();
        auto directory = must_open(disk_, options_);
        CHECK(directory->clock_high_water_us() >= promised_clock_);
        auto left = check(take_left(*directory));
        auto log = must_create(*directory);
        const auto tag = "G" + std::to_string(generation);

        for (auto turns = roll(12); turns != 0; --turns) turn(*log, tag);
        make_durable(*log, tag);
        disk_->hold(true);
        for (auto turns = roll(25); turns != 0; --turns) {
            turn(*log, tag);
            for (auto& old : left) outcomes(*old.log, promised_[old.tag]);
        }
        promised_[tag].durable = log->durable_lsn();
        auto lost = roll(3) == 0 ? disk_->copy() : disk_->lose_power(random_);
        disk_->hold(false);
        log.reset();
        left.clear();
        directory.reset();
        disk_ = std::move(lost);
    }

    // A start that fails somewhere and loses its power then must not be in the way of the next.
    void interrupt_opening()
    {
        const auto disk = disk_->copy();
        disk->fail_at = 1 + roll(80);
        const auto opened = open_disk(disk, options_);
        disk_ = roll(2) == 0 ? disk->copy() : disk->lose_power(random_);
    }

    // It serves already, with a log of its own, and has read some of what was left.
    void interrupt_reading()
    {
        auto directory = must_open(disk_, options_);
        CHECK(directory->clock_high_water_us() >= promised_clock_);
        const auto log = must_create(*directory);
        spool_reading progress;
        for (auto& unread : directory->take_left_logs()) {
            std::string why;
            if (roll(2) == 0) CHECK(unread.read(why, progress));
        }
        disk_ = roll(2) == 0 ? disk_->copy() : disk_->lose_power(random_);
    }

    void turn(spool_log& log, const std::string& tag)
    {
        log.set_clock(clock_us_ += static_cast<std::int64_t>(roll(1000)));
        const auto id = log.intern("ks", "INSERT INTO " + tag);
        for (auto count = 1 + roll(4); count != 0; --count) {
            const auto size = roll(20) == 0 ? 20'000 : roll(2500);
            append(log, payload_of(log.last_lsn() + 1, size, tag), {id});
        }
        outcomes(log, promised_[tag]);
        if (roll(3) == 0) {
            read_all(log);
            REQUIRE(log.commit());
        }
    }

    void outcomes(spool_log& log, promised_log& promised)
    {
        for (auto count = roll(4); count != 0; --count) {
            const auto lsn = roll(2) == 0 && log.backlog() != 0 ? log.first_unfinished()
                                                                : 1 + roll(log.last_lsn());
            if (roll(2) == 0)
                log.settle(lsn, roll(2) == 0 ? write_state::void_ : write_state::applied);
            else
                log.finish(lsn);
            if (is_finished(log.state(lsn))) promised.finished.insert(lsn);
        }
        if (roll(3) == 0) log.sync_done(clock_ms_ += 200);
        const auto done = log.commit();
        INFO(log.why());
        REQUIRE(done);
    }

    void make_durable(spool_log& log, const std::string& tag)
    {
        log.set_clock(clock_us_);
        append(
            log, payload_of(log.last_lsn() + 1, 10, tag), {log.intern("ks", "INSERT INTO " + tag)}
        );
        REQUIRE(log.commit());
        using clock = std::chrono::steady_clock;
        const auto deadline = clock::now() + std::chrono::seconds(10);
        while (log.durable_lsn() != log.last_lsn() && clock::now() < deadline)
            std::this_thread::yield();
        REQUIRE(log.durable_lsn() == log.last_lsn());
        promised_clock_ = clock_us_;
    }

    struct left_log {
        std::string tag;
        std::unique_ptr<spool_log> log;
    };

    std::vector<left_log> check(std::vector<std::unique_ptr<spool_log>> logs)
    {
        std::map<std::string, std::set<std::uint64_t>> found;
        std::vector<left_log> left;
        for (auto& log : logs) {
            std::string tag;
            for (const auto& intent : read_all(*log)) {
                tag = intent.payload.substr(0, intent.payload.find('#'));
                CHECK(same(intent.payload, payload_of(intent.lsn, intent.payload.size(), tag)));
                CHECK(intent.statements == std::vector<std::string>{"ks|INSERT INTO " + tag});
                found[tag].insert(intent.lsn);
            }
            if (!tag.empty())
                left.push_back({tag, std::move(log)});
            else
                log->close_finished();
        }
        for (const auto& promised : promised_)
            for (std::uint64_t lsn = 1; lsn <= promised.second.durable; ++lsn) {
                if (promised.second.finished.count(lsn) != 0) continue;
                CAPTURE(promised.first);
                CAPTURE(lsn);
                CHECK(found[promised.first].count(lsn) == 1);
            }
        return left;
    }

    std::mt19937_64 random_;
    spool_options options_;
    std::shared_ptr<memory_disk> disk_{std::make_shared<memory_disk>()};
    std::map<std::string, promised_log> promised_;
    std::int64_t clock_ms_{1000};
    std::int64_t clock_us_{0};
    std::int64_t promised_clock_{0};
};

}  // namespace

TEST_SUITE("engine/spool_power")
{
    TEST_CASE("spool: what was durable outlives any loss of power, and no loss stops the next start"
    )
    {
        const auto [first, last] = seeds(800);
        for (auto seed = first; seed <= last; ++seed) {
            CAPTURE(seed);
            machine(seed).run();
        }
    }
}
