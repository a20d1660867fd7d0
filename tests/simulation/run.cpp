#include <algorithm>
#include <map>
#include <memory>

#include "checks.hpp"
#include "client.hpp"
#include "simulation.hpp"

namespace sim {

namespace {

constexpr std::int64_t second_us = 1'000'000;
// From the last write until everything must be at the target.
constexpr std::int64_t drain_limit_us = 900 * second_us;
constexpr std::int64_t work_limit_us = 600 * second_us;

// One run: the proxy between two clusters, clients in front, faults on the way.
class world {
public:
    world(scenario& s, bool tell)
        : scenario_(s), tell_(tell), kernel_(s.seed ^ s.luck << 32),
          source_(kernel_, "source", s.source), target_(kernel_, "target", s.target),
          proxy_(kernel_, s.process)
    {
        kernel_.network = s.network;
        begin_us_ = kernel_.now_us();
        proxy_.on_end = [this](const std::string& why) {
            note("the proxy ended: " + why);
            kernel_.after(down_for_us_, [this] {
                note("the proxy starts");
                proxy_.start();
            });
            down_for_us_ = 100'000;
        };
    }

    verdict go()
    {
        proxy_.start();
        make_clients();
        for (const auto& f : scenario_.faults)
            kernel_.at(begin_us_ + f.at_us, [this, f] { happen(f); });
        verdict out;
        out.problem = advance(work_limit_us, [this] { return clients_done(); });
        if (out.problem.empty()) {
            heal();
            out.problem = advance(drain_limit_us, [this] { return drained(); });
            if (out.problem == timed_out)
                out.problem = "not delivered after 15 minutes without faults: " +
                              std::to_string(proxy_.backlog()) + " writes left";
        }
        const auto now_s = kernel_.now_us() / second_us;
        if (out.problem.empty())
            out.problem =
                check_all(scenario_, source_.data(), target_.data(), now_s, proxy_.starts());
        out.events = kernel_.steps();
        out.simulated_us = kernel_.now_us() - begin_us_;
        out.hash = kernel_.random.next() ^ out.events * 31 ^
                   static_cast<std::uint64_t>(out.simulated_us) * 17;
        if (tell_) tell_rest(out);
        return out;
    }

private:
    static constexpr const char* timed_out = "time is up";

    void make_clients()
    {
        std::map<std::size_t, std::vector<operation*>> by_client;
        for (auto& op : scenario_.operations) by_client[op.client].push_back(&op);
        for (auto& [number, work] : by_client) {
            clients_.push_back(
                std::make_unique<client>(kernel_, number, scenario_.client_version, std::move(work))
            );
            clients_.back()->on_end = [this](const operation& op) { note(describe(op)); };
            clients_.back()->start();
        }
    }

    template <class Done> std::string advance(std::int64_t limit_us, Done done)
    {
        const auto until = kernel_.now_us() + limit_us;
        while (!done()) {
            if (!kernel_.step()) return "nothing happens any more";
            proxy_.run();
            auto wrong = problem();
            if (!wrong.empty()) return wrong;
            if (kernel_.now_us() > until) return timed_out;
        }
        return {};
    }

    std::string problem() const
    {
        for (const auto& one : clients_)
            if (!one->problem().empty()) return one->problem();
        for (const auto* side : {&source_, &target_})
            if (!side->problem().empty()) return side->name() + ": " + side->problem();
        return proxy_.problem();
    }

    bool clients_done() const
    {
        return std::all_of(clients_.begin(), clients_.end(), [](const auto& c) {
            return c->is_done();
        });
    }

    // What a write that timed out does late has happened too.
    bool drained() const
    {
        return kernel_.now_us() > healed_us_ + source_.settings().late_max_us && proxy_.is_idle();
    }

    void heal()
    {
        note("the faults end");
        healed_us_ = kernel_.now_us();
        healed_ = true;
        for (auto* side : {&source_, &target_}) {
            side->settings().error_per_mille = 0;
            side->up();
            kernel_.silence(side->settings().port, 0);
        }
        kernel_.network.cut_per_mille = 0;
    }

    void happen(const fault& f)
    {
        if (healed_) return;
        note(describe(f));
        using kind = fault::kind;
        switch (f.what) {
        case kind::target_down:
        case kind::target_restart:
            return take_down(target_, f);
        case kind::source_down:
            return take_down(source_, f);
        case kind::target_silent:
            return kernel_.silence(target_.settings().port, kernel_.now_us() + f.for_us);
        case kind::source_silent:
            return kernel_.silence(source_.settings().port, kernel_.now_us() + f.for_us);
        case kind::kill:
        case kind::power_loss:
            down_for_us_ = f.for_us;
            return proxy_.crash_after(
                f.detail, f.what == kind::kill ? crash::killed : crash::power
            );
        case kind::write_error:
            down_for_us_ = f.for_us;
            return proxy_.fail_next_write();
        case kind::clock_back:
            kernel_.wall_offset_us -= f.detail;
            return;
        }
    }

    void take_down(cluster& side, const fault& f)
    {
        side.down(f.what == fault::kind::target_restart);
        kernel_.after(f.for_us, [this, &side] {
            note("the " + side.name() + " is back");
            side.up();
        });
    }

    void note(std::string text)
    {
        if (!tell_) return;
        const auto ms = (kernel_.now_us() - begin_us_) / 1000;
        for (auto& line : proxy_.log()) story_.push_back("          proxy: " + line);
        proxy_.log().clear();
        story_.push_back(std::to_string(ms) + " ms: " + std::move(text));
    }

    void tell_rest(verdict& out)
    {
        for (const auto& op : scenario_.operations)
            if (op.what == operation::state::sent || op.what == operation::state::waiting)
                note(describe(op));
        note(out.problem.empty() ? "all is as it must be" : out.problem);
        out.story = std::move(story_);
    }

    scenario& scenario_;
    bool tell_;
    kernel kernel_;
    cluster source_;
    cluster target_;
    std::vector<std::unique_ptr<client>> clients_;
    process proxy_;
    std::int64_t begin_us_{0};
    std::int64_t down_for_us_{100'000};
    std::int64_t healed_us_{0};
    bool healed_{false};
    std::vector<std::string> story_;
};

}  // namespace

verdict run(scenario s, bool tell)
{
    return world(s, tell).go();
}

}  // namespace sim
