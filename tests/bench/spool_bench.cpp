#include <dualwrite/engine/spool.hpp>
#include <dualwrite/replication/spool_crc.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <vector>

// What the spool costs: spool_bench [DIRECTORY]. The directory should be on the disk that counts;
// without one it is a temporary directory. Prints nanoseconds per intent.

using namespace dualwrite;
using namespace dualwrite::engine;
using bench_clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t payload_size = 300;

double elapsed_ns(bench_clock::time_point begin)
{
    return std::chrono::duration<double, std::nano>(bench_clock::now() - begin).count();
}

std::unique_ptr<spool_directory> open(const std::string& path, durability durable)
{
    std::filesystem::remove_all(path);
    spool_options options;
    options.directory = path;
    options.durable = durable;
    std::string why;
    auto opened = spool_directory::open(options, why);
    if (!opened) {
        std::fprintf(stderr, "spool_bench: %s\n", why.c_str());
        std::exit(1);
    }
    return *std::move(opened);
}

void must(bool done, const char* what)
{
    if (done) return;
    std::fprintf(stderr, "spool_bench: %s failed\n", what);
    std::exit(1);
}

struct writer {
    spool_log& log;
    std::string payload = std::string(payload_size, 'p');
    bytes_view part = as_bytes(payload);
    std::uint32_t id = log.intern("keyspace", "INSERT INTO table (a, b, c) VALUES (?, ?, ?)");

    void turn(int intents)
    {
        for (int i = 0; i < intents; ++i) log.append_intent({&id, 1}, {&part, 1});
        must(log.commit().has_value(), "commit");
    }

    // Outcomes, reading and deliveries of what is there.
    void deliver()
    {
        for (;;) {
            const auto next = log.next_intent();
            must(next.has_value(), "reading");
            if (!*next) return;
            const auto lsn = (*next)->lsn;
            log.settle(lsn, write_state::applied);
            log.finish(lsn);
            log.release(lsn);
        }
    }
};

// Of the calling thread.
struct cpu_ns {
    double user;
    double system;
};

cpu_ns cpu_now()
{
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    const auto ns = [](timeval t) {
        return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_usec) * 1e3;
    };
    return {ns(usage.ru_utime), ns(usage.ru_stime)};
}

void bench_process(const std::string& path, int per_turn, bool delivering)
{
    const auto directory = open(path, durability::process);
    const auto log = *directory->create_log();
    writer w{*log};
    const int turns = 1'500'000 / per_turn / (per_turn == 1 ? 3 : 1);
    for (int i = 0; i < turns / 10; ++i) {
        w.turn(per_turn);
        if (delivering) w.deliver();
    }
    const auto cpu = cpu_now();
    const auto begin = bench_clock::now();
    for (int i = 0; i < turns; ++i) {
        w.turn(per_turn);
        if (delivering) w.deliver();
    }
    const auto intents = static_cast<double>(turns) * per_turn;
    const auto total = elapsed_ns(begin) / intents;
    const auto after = cpu_now();
    std::printf(
        "process  %2d x %zu B per commit%s  %5.0f ns per intent (CPU: %.0f user, %.0f system)\n",
        per_turn,
        payload_size,
        delivering ? ", delivered" : "           ",
        total,
        (after.user - cpu.user) / intents,
        (after.system - cpu.system) / intents
    );
}

void bench_fsync(const std::string& path, int per_turn)
{
    const auto directory = open(path, durability::fsync);
    const auto log = *directory->create_log();
    writer w{*log};
    std::vector<double> latencies_us;
    const auto begin = bench_clock::now();
    while (elapsed_ns(begin) < 2e9) {
        const auto start = bench_clock::now();
        w.turn(per_turn);
        while (log->durable_lsn() != log->last_lsn()) std::this_thread::yield();
        latencies_us.push_back(elapsed_ns(start) / 1000);
        w.deliver();
    }
    std::sort(latencies_us.begin(), latencies_us.end());
    const auto at = [&](double q) {
        return latencies_us[static_cast<std::size_t>(
            q * static_cast<double>(latencies_us.size() - 1)
        )];
    };
    std::printf(
        "fsync    %2d x %zu B per commit  %zu syncs/s  p50 %.0f us  p99 %.0f us  max %.0f us\n",
        per_turn,
        payload_size,
        latencies_us.size() / 2,
        at(0.5),
        at(0.99),
        at(1)
    );
}

constexpr int writers_at_once = 32;

// What the disk gives without a spool: as many bytes as those writers' records, then a sync, again
// and again into a file that has its space. Records a second.
double disk_rate(const std::string& path)
{
    constexpr std::size_t record_size = payload_size + 32;
    constexpr off_t file_size = 64 << 20;
    const std::string batch(record_size * writers_at_once, 'd');
    const std::string zeros(1 << 20, '\0');
    const auto name = path + "-disk";
    const int file = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    must(file >= 0, "making a file");
    for (off_t at = 0; at < file_size; at += static_cast<off_t>(zeros.size()))
        must(::pwrite(file, zeros.data(), zeros.size(), at) > 0, "filling a file");
    must(::fsync(file) == 0, "syncing a file");
    off_t at = 0;
    std::uint64_t records = 0;
    const auto begin = bench_clock::now();
    while (elapsed_ns(begin) < 3e9) {
        must(::pwrite(file, batch.data(), batch.size(), at) > 0, "writing");
        must(::fdatasync(file) == 0, "syncing");
        records += writers_at_once;
        at = (at + static_cast<off_t>(batch.size())) % (file_size - (1 << 20));
    }
    const auto rate = static_cast<double>(records) * 1e9 / elapsed_ns(begin);
    ::close(file);
    std::filesystem::remove(name);
    return rate;
}

// Writers that each wait until the disk has their record, and write the next one then.
double group_commit_rate(const std::string& path)
{
    const auto directory = open(path, durability::fsync);
    const auto log = *directory->create_log();
    writer w{*log};
    const auto first = log->durable_lsn();
    const auto begin = bench_clock::now();
    while (elapsed_ns(begin) < 3e9) {
        const auto waiting = static_cast<int>(log->last_lsn() - log->durable_lsn());
        if (waiting == writers_at_once) {
            std::this_thread::yield();
            continue;
        }
        w.turn(writers_at_once - waiting);
        w.deliver();
    }
    return static_cast<double>(log->durable_lsn() - first) * 1e9 / elapsed_ns(begin);
}

void bench_group_commit(const std::string& path)
{
    std::vector<double> ratios;
    for (int round = 0; round < 3; ++round) {
        const auto disk = disk_rate(path);
        const auto spool = group_commit_rate(path);
        ratios.push_back(spool / disk);
        std::printf(
            "fsync    %d writers: %.0f records/s; the disk alone, %d records a sync: %.0f; "
            "ratio %.2f\n",
            writers_at_once,
            spool,
            writers_at_once,
            disk,
            ratios.back()
        );
    }
    std::sort(ratios.begin(), ratios.end());
    std::printf("fsync    median ratio %.2f (goal: 0.5)\n", ratios[ratios.size() / 2]);
}

// A backlog from the files: written, killed (the log is left as it is), recovered, read.
void bench_recovery(const std::string& path)
{
    constexpr int intents = 1'000'000;
    {
        const auto directory = open(path, durability::process);
        const auto log = *directory->create_log();
        writer w{*log};
        for (int i = 0; i < intents / 100; ++i) w.turn(100);
    }
    spool_options options;
    options.directory = path;
    std::string why;
    auto begin = bench_clock::now();
    const auto directory = *spool_directory::open(options, why);
    const auto opened = elapsed_ns(begin);
    begin = bench_clock::now();
    spool_reading progress;
    auto unread = directory->take_left_logs();
    const auto left = unread.front().read(why, progress);
    must(left.has_value(), "reading the log");
    const auto checked = elapsed_ns(begin);
    begin = bench_clock::now();
    std::uint64_t count = 0;
    for (auto next = *(*left)->next_intent(); next; next = *(*left)->next_intent()) {
        (*left)->release(next->lsn);
        ++count;
    }
    must(count == intents, "recovery");
    std::printf(
        "recovery %d x %zu B             open %.0f, check %.0f, read %.0f ns per intent\n",
        intents,
        payload_size,
        opened / intents,
        checked / intents,
        elapsed_ns(begin) / intents
    );
}

void bench_crc()
{
    const std::string text(payload_size + 28, 'c');
    std::uint32_t crc = 0;
    constexpr int rounds = 5'000'000;
    const auto begin = bench_clock::now();
    for (int i = 0; i < rounds; ++i) crc = replication::crc32c(crc, as_bytes(text));
    std::printf("crc32c   %zu B  %.0f ns (%08x)\n", text.size(), elapsed_ns(begin) / rounds, crc);
}

}  // namespace

int main(int argc, char** argv)
{
    const std::filesystem::path base =
        argc > 1 ? std::filesystem::path(argv[1]) : std::filesystem::temp_directory_path();
    const auto path = (base / "dualwrite-spool-bench" / "spool").string();
    bench_crc();
    for (const int per_turn : {1, 32})
        for (const bool delivering : {false, true}) bench_process(path, per_turn, delivering);
    for (const int per_turn : {1, 32}) bench_fsync(path, per_turn);
    bench_group_commit(path);
    bench_recovery(path);
    std::filesystem::remove_all(base / "dualwrite-spool-bench");
}
