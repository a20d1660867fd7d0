#include "proxy_rig.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

namespace dualwrite::test {

namespace {

std::filesystem::path new_directory()
{
    auto name = (std::filesystem::temp_directory_path() / "dualwrite-rig-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
    return name;
}

engine::endpoint plain(std::uint16_t port)
{
    engine::endpoint out;
    out.host = "127.0.0.1";
    out.port = port;
    out.tls = false;
    return out;
}

}  // namespace

bool eventually(const std::function<bool()>& condition, std::int64_t limit_ms)
{
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
}

proxy_rig::proxy_rig(fake_cluster::settings source_settings, fake_cluster::settings target_settings)
    : source("source", std::move(source_settings)), target("target", std::move(target_settings)),
      directory_(new_directory())
{
    options.source = plain(source.port());
    options.target = plain(target.port());
    options.listen_host = "127.0.0.1";
    options.listen_port = 0;
    options.metrics = false;
    options.wait = false;
    options.state_dir = (directory_ / "state").string();
    options.spool_size_max = std::uint64_t{64} << 20;
    options.patience.doubt_ms = 50;
    reset_refreshes();
}

proxy_rig::~proxy_rig()
{
    proxy_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

void proxy_rig::launch()
{
    std::string why;
    auto made = engine::proxy::start(
        options,
        [this](engine::log_level, std::string_view text) {
            const std::lock_guard lock(log_mutex_);
            log_.emplace_back(text);
        },
        why
    );
    if (!made) throw std::runtime_error("the proxy does not start: " + why);
    proxy_ = std::move(*made);
}

void proxy_rig::start(bool target_is_up)
{
    const auto reads = source.schema_reads();
    launch();
    const auto connections = target_is_up ? options.target_connections * options.threads : 0;
    const bool ready = eventually([&] {
        return source.schema_reads() > reads && number("target_connections") >= connections;
    });
    if (!ready) throw std::runtime_error("the proxy does not find its clusters");
}

void proxy_rig::stop(std::uint32_t drain_limit_ms)
{
    proxy_->stop(drain_limit_ms);
    if (!proxy_->wait(std::int64_t{drain_limit_ms} + 20'000))
        throw std::runtime_error("the proxy does not stop");
    proxy_.reset();
}

std::uint64_t proxy_rig::number(std::string_view name) const
{
    return nlohmann::json::parse(proxy_->status_json()).at(std::string(name)).get<std::uint64_t>();
}

std::uint64_t proxy_rig::memory(std::string_view name) const
{
    const auto status = nlohmann::json::parse(proxy_->status_json());
    return status.at("memory").at(std::string(name)).get<std::uint64_t>();
}

bool proxy_rig::wait_for_number(std::string_view name, std::uint64_t value, std::int64_t limit_ms)
    const
{
    return eventually([&] { return number(name) == value; }, limit_ms);
}

bool proxy_rig::is_delivered(std::int64_t limit_ms) const
{
    return eventually(
        [&] {
            const auto status = nlohmann::json::parse(proxy_->status_json());
            const auto of = [&](const char* name) { return status.at(name).get<std::uint64_t>(); };
            // The backlog is counted now and then, the rest at once.
            const auto ended =
                of("replicated") + of("refreshed") + of("writes_void") + of("dead_letters");
            return of("backlog") == 0 && status["spool"]["left_logs"] == 0 && of("writes") <= ended;
        },
        limit_ms
    );
}

std::size_t proxy_rig::times_logged(std::string_view words) const
{
    const std::lock_guard lock(log_mutex_);
    std::size_t times = 0;
    for (const auto& line : log_) times += line.find(words) != line.npos;
    return times;
}

std::string proxy_rig::dead_letters() const
{
    std::ifstream file(directory_ / "state" / "dead_letters.jsonl");
    std::ostringstream out;
    out << file.rdbuf();
    return out.str();
}

std::vector<wire_client> clients_of_two_loops(proxy_rig& rig)
{
    std::vector<wire_client> clients;
    for (int i = 0; i < 64; ++i) {
        clients.push_back(rig.client(4));
        (void)clients.back().query("INSERT INTO k.t (a) VALUES (" + std::to_string(i) + ")");
        if (!rig.target.wait_for_writes(clients.size())) break;
        // Each loop has a connection of its own to the target.
        const auto seen = rig.target.requests(is_write);
        if (seen.back()->connection != seen.front()->connection) return clients;
    }
    throw std::runtime_error("no two clients on different loops");
}

}  // namespace dualwrite::test
