#include "fake_refresher.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace dualwrite {

namespace {

struct record {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<engine::refresh_key> keys;
    std::function<engine::refresh_result(const engine::refresh_key&)> script;
};

record& the_record()
{
    static record its;
    return its;
}

class fake_refresher final : public engine::refresher {
public:
    void request(engine::refresh_key key, std::function<void(engine::refresh_result)> done) override
    {
        auto& its = the_record();
        engine::refresh_result result;
        {
            const std::lock_guard lock(its.mutex);
            if (its.script) result = its.script(key);
            its.keys.push_back(std::move(key));
            its.changed.notify_all();
        }
        done(std::move(result));
    }
    void
    set_credentials(const std::string&, const std::string&, const std::string&, const std::string&)
        override
    {
    }
    using tls = std::shared_ptr<engine::tls_client_context>;
    void set_tls(tls, tls) override {}
    void schema_changed(const std::string&, const std::string&) override {}
    engine::refresh_counts counts() const override { return {}; }
    void stop() override {}
    bool poll() override { return false; }
};

}  // namespace

result<std::unique_ptr<engine::refresher>>
engine::refresher::start(const endpoint&, const endpoint&, log_sink)
{
    return std::unique_ptr<refresher>(std::make_unique<fake_refresher>());
}

std::unique_ptr<engine::refresher>
engine::refresher::make(const endpoint&, const endpoint&, log_sink)
{
    return std::make_unique<fake_refresher>();
}

namespace test {

std::vector<engine::refresh_key> refreshed()
{
    auto& its = the_record();
    const std::lock_guard lock(its.mutex);
    return its.keys;
}

bool wait_for_refreshes(std::size_t n, std::int64_t limit_ms)
{
    auto& its = the_record();
    std::unique_lock lock(its.mutex);
    return its.changed.wait_for(lock, std::chrono::milliseconds(limit_ms), [&] {
        return its.keys.size() >= n;
    });
}

void set_refresh_script(std::function<engine::refresh_result(const engine::refresh_key&)> next)
{
    auto& its = the_record();
    const std::lock_guard lock(its.mutex);
    its.script = std::move(next);
}

void reset_refreshes()
{
    auto& its = the_record();
    const std::lock_guard lock(its.mutex);
    its.keys.clear();
    its.script = {};
}

}  // namespace test
}  // namespace dualwrite
