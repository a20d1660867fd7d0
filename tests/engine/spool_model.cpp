#include <algorithm>
#include <random>

#include "spool_support.hpp"

// Random work on a spool beside a model of it: appends, outcomes, deliveries, commits, reading,
// clean ends and kills. A failing seed is printed; SPOOL_SEED=<seed> runs it alone.

using namespace spool_test;

namespace {

struct model_intent {
    std::size_t size{0};
    std::size_t statements{0};
    write_state state{write_state::open};
    write_state recorded{write_state::open};  // what a kill now would leave
    write_state outcome{write_state::open};   // what settle() was told before finish()
    bool done_pending{false};                 // finish() may be recorded or not
};

// One log: ours on the left, what it should be on the right.
struct pair {
    std::unique_ptr<spool_log> log;
    std::string tag;
    std::vector<model_intent> intents;  // lsn 1 is intents[0]
    std::size_t committed{0};
    std::uint64_t last_read{0};
    std::uint64_t released{0};
    std::int64_t clock{0};
    std::int64_t recorded_clock{0};
    std::map<std::uint64_t, bytes_view> views;  // handed out and not released

    model_intent& at(std::uint64_t lsn) { return intents[lsn - 1]; }
};

std::string statement_text(const std::string& tag, std::size_t number)
{
    return "INSERT INTO " + tag + std::string(number * 40, 'x');
}

class machine {
public:
    explicit machine(std::uint64_t seed) : random_(seed)
    {
        options_ = small_options();
        const std::uint64_t limits[] = {0, 30'000, 200'000, 1 << 20};
        options_.memory_max = limits[roll(4)];
        if (roll(4) == 0) options_.durable = durability::fsync;
        start();
    }

    void run()
    {
        const auto steps = 20 + roll(150);
        for (std::size_t i = 0; i < steps; ++i) step();
        kill();
        finish_all();
    }

private:
    std::uint64_t roll(std::uint64_t sides) { return random_() % sides; }

    void start()
    {
        directory_ = must_open(disk_, options_);
        std::int64_t clock = 0;
        for (const auto& p : pairs_) clock = std::max(clock, p.recorded_clock);
        CHECK(directory_->clock_high_water_us() >= clock);
        match(take_left(*directory_));
        add_live();
    }

    void add_live()
    {
        auto& added = pairs_.emplace_back();
        added.tag = "L" + std::to_string(++tags_);
        added.log = must_create(*directory_);
        live_ = &added;
    }

    // Finds the model of each left log by what its first waiting intent says.
    void match(std::vector<std::unique_ptr<spool_log>> left)
    {
        REQUIRE(left.size() == pairs_.size());
        std::size_t exhausted = 0;
        for (auto& log : left) {
            if (log->exhausted()) {
                log->close_finished();
                ++exhausted;
                continue;
            }
            const auto first = log->next_intent();
            REQUIRE(first);
            REQUIRE(first->has_value());
            const std::string text(as_text((*first)->payload));
            const auto tag = text.substr(0, text.find('#'));
            const auto found = std::find_if(pairs_.begin(), pairs_.end(), [&](const auto& p) {
                return p.tag == tag && !p.log;
            });
            REQUIRE(found != pairs_.end());
            found->log = std::move(log);
            adopt(*found);
            check_intent(*found, **first);
        }
        for (auto& p : pairs_)
            if (!p.log)
                for (const auto& intent : p.intents)
                    CHECK((is_finished(intent.recorded) || intent.done_pending));
        std::erase_if(pairs_, [](const auto& p) { return !p.log; });
    }

    // What the log recovered becomes the model, where the model allows it.
    void adopt(pair& p)
    {
        p.last_read = p.released = 0;
        p.clock = p.recorded_clock;
        REQUIRE(p.log->last_lsn() == p.intents.size());
        for (std::uint64_t lsn = 1; lsn <= p.intents.size(); ++lsn) {
            auto& intent = p.at(lsn);
            const auto state = p.log->state(lsn);
            const auto same =
                state == intent.recorded || (is_finished(state) && is_finished(intent.recorded));
            CAPTURE(lsn);
            CHECK((same || (intent.done_pending && is_finished(state))));
            intent.state = intent.recorded = intent.outcome = state;
            intent.done_pending = false;
        }
    }

    void step()
    {
        auto& p = pairs_[roll(pairs_.size())];
        switch (roll(40)) {
        case 0:
            return kill();
        case 1:
            return close_and_reopen();
        case 2:
            if (pairs_.size() < 4) add_live();
            return;
        case 3:
            return release(p);
        case 4:
            p.log->sync_done(static_cast<std::int64_t>(now_ms_ += roll(300)));
            return;
        case 5:
            p.clock = std::max(p.clock, static_cast<std::int64_t>(now_ms_ * 1000 + roll(1000)));
            return p.log->set_clock(p.clock);
        default:
            break;
        }
        const auto what = roll(10);
        if (what < 4) return append_some(p.log->is_left() ? *live_ : p);
        if (what < 6) return outcome(p);
        if (what < 8) return commit(p);
        read_some(p);
    }

    void append_some(pair& p)
    {
        if (p.log->is_left()) return;
        for (auto count = roll(8); count != 0; --count) {
            model_intent intent;
            const auto kind = roll(30);
            intent.size = kind == 0 ? 15'000 + roll(30'000) : kind < 5 ? roll(5000) : roll(400);
            intent.statements = roll(4);
            std::vector<std::uint32_t> ids;
            for (std::size_t i = 0; i < intent.statements; ++i)
                ids.push_back(p.log->intern(p.tag, statement_text(p.tag, i)));
            const auto lsn = p.intents.size() + 1;
            p.intents.push_back(intent);
            CHECK(append(*p.log, payload_of(lsn, intent.size, p.tag), ids) == lsn);
        }
    }

    void outcome(pair& p)
    {
        for (auto count = roll(12); count != 0 && !p.intents.empty(); --count) {
            const auto lsn = 1 + roll(p.intents.size());
            auto& intent = p.at(lsn);
            const auto kind = roll(4);
            if (kind < 2) {
                const auto state = kind == 0 ? write_state::applied : write_state::void_;
                p.log->settle(lsn, state);
                if (intent.state == write_state::open) intent.state = intent.outcome = state;
            } else {
                p.log->finish(lsn);
                if (!is_finished(intent.state)) intent.state = write_state::done;
            }
            CHECK(is_finished(p.log->state(lsn)) == is_finished(intent.state));
        }
    }

    void commit(pair& p)
    {
        const auto done = p.log->commit();
        INFO(p.log->why());
        REQUIRE(done);
        p.committed = p.intents.size();
        p.recorded_clock = p.clock;
        for (auto& intent : p.intents) {
            intent.done_pending = intent.state == write_state::done;
            if (!is_finished(intent.recorded)) intent.recorded = intent.outcome;
        }
    }

    void check_intent(pair& p, const spool_log::intent& intent)
    {
        auto expected = p.last_read + 1;
        while (expected <= p.committed && is_finished(p.at(expected).state)) ++expected;
        REQUIRE(intent.lsn == expected);
        const auto& model = p.at(expected);
        CHECK(same(as_text(intent.payload), payload_of(expected, model.size, p.tag)));
        REQUIRE(intent.statement_ids.size() == model.statements);
        for (std::size_t i = 0; i < model.statements; ++i) {
            const auto& statement = p.log->statement_of(intent.statement_ids[i]);
            CHECK(statement.keyspace == p.tag);
            CHECK(statement.text == statement_text(p.tag, i));
        }
        p.last_read = expected;
        p.views[expected] = intent.payload;
    }

    void read_some(pair& p)
    {
        for (auto count = roll(20); count != 0; --count) {
            const auto next = p.log->next_intent();
            INFO(p.log->why());
            REQUIRE(next);
            if (*next) {
                check_intent(p, **next);
                continue;
            }
            for (auto lsn = p.last_read + 1; lsn <= p.committed; ++lsn)
                CHECK(is_finished(p.at(lsn).state));
            return;
        }
    }

    // All views must still hold what they held.
    void release(pair& p)
    {
        for (const auto& [lsn, view] : p.views)
            CHECK(same(as_text(view), payload_of(lsn, p.at(lsn).size, p.tag)));
        if (p.last_read == p.released) return;
        p.released += 1 + roll(p.last_read - p.released);
        p.log->release(p.released);
        p.views.erase(p.views.begin(), p.views.upper_bound(p.released));
    }

    void forget(bool clean)
    {
        for (auto& p : pairs_) {
            p.log.reset();
            p.views.clear();
            if (clean) {
                for (auto& intent : p.intents) intent.recorded = intent.state;
                p.recorded_clock = p.clock;
                p.committed = p.intents.size();
            }
            p.intents.resize(p.committed);
            // Outcomes of the turn that was not committed are lost.
            for (auto& intent : p.intents) {
                intent.outcome = intent.recorded;
                if (!intent.done_pending) intent.state = intent.recorded;
            }
        }
        directory_.reset();
    }

    void kill()
    {
        auto copy = disk_->copy();
        forget(false);
        disk_ = std::move(copy);
        start();
    }

    void close_and_reopen()
    {
        forget(true);
        for (auto& p : pairs_)
            for (auto& intent : p.intents) intent.done_pending = false;
        start();
    }

    void finish_all()
    {
        for (auto& p : pairs_) {
            for (std::uint64_t lsn = 1; lsn <= p.intents.size(); ++lsn) {
                p.log->finish(lsn);
                p.at(lsn).state = write_state::done;
            }
            CHECK(p.log->backlog() == 0);
            commit(p);
        }
        close_and_reopen();
        // One file is left: that of the log that was made just now.
        CHECK(segments_of(*disk_).size() == 1);
        CHECK(directory_->size_bytes() == disk_->data(segments_of(*disk_).front()).size());
    }

    std::mt19937_64 random_;
    spool_options options_;
    std::shared_ptr<memory_disk> disk_{std::make_shared<memory_disk>()};
    std::unique_ptr<spool_directory> directory_;
    std::vector<pair> pairs_;
    pair* live_{nullptr};
    int tags_{0};
    std::uint64_t now_ms_{1000};
};

}  // namespace

TEST_SUITE("engine/spool_model")
{
    TEST_CASE("spool: does what its model does, whatever is done to it")
    {
        const auto [first, last] = seeds(2500);
        for (auto seed = first; seed <= last; ++seed) {
            CAPTURE(seed);
            machine(seed).run();
        }
    }
}
