#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <new>
#include <random>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spool_support.hpp"

// The spool on the system's own files.

using namespace spool_test;
using dualwrite::errc;
using dualwrite::engine::open_mode;
using dualwrite::engine::open_system_storage;

// Counts allocations of the whole test program, except where a sanitizer does the allocating.
static std::atomic<std::uint64_t> allocations{0};

#ifndef DW_SANITIZED
// Not inlined: GCC would warn of free() beside new.
[[gnu::noinline]] void* operator new(std::size_t size)
{
    ++allocations;
    if (void* const made = std::malloc(size == 0 ? 1 : size)) return made;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept
{
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept
{
    std::free(memory);
}
#endif

namespace {

namespace fs = std::filesystem;

class temporary_directory {
public:
    temporary_directory()
    {
        std::string name = (fs::temp_directory_path() / "dualwrite-spool-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~temporary_directory() { fs::remove_all(path_); }
    fs::path path() const { return path_; }

private:
    fs::path path_;
};

spool_options options_in(const temporary_directory& where)
{
    spool_options options;
    options.directory = (where.path() / "state/spool").string();
    options.segment_size = 1 << 20;
    options.size_max = std::uint64_t{1} << 30;
    return options;
}

std::unique_ptr<spool_directory> must_open_in(const spool_options& options)
{
    std::string why;
    auto opened = spool_directory::open(options, why);
    INFO(why);
    REQUIRE(opened);
    return *std::move(opened);
}

unsigned mode_of(const fs::path& path)
{
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777;
}

// Runs `child` in a process of its own.
template <class Child> pid_t run_process(Child child)
{
    const auto pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) ::_exit(child());
    return pid;
}

int wait_for_process(pid_t pid)
{
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// Writes intents until it is killed and tells each committed lsn through `pipe`.
int write_for_ever(const spool_options& options, int pipe)
{
    std::string why;
    auto directory = spool_directory::open(options, why);
    if (!directory) return 1;
    auto log = (*directory)->create_log();
    if (!log) return 2;
    const auto id = (*log)->intern("ks", "INSERT");
    for (std::uint64_t lsn = 1;; ++lsn) {
        append(**log, payload_of(lsn, lsn % 2000, std::to_string(::getpid())), {id});
        if (lsn % 7 != 0) continue;
        if (!(*log)->commit()) return 3;
        if (::write(pipe, &lsn, sizeof lsn) != sizeof lsn) return 4;
    }
}

}  // namespace

TEST_SUITE("engine/spool_system")
{
    TEST_CASE("spool: only its user may read it")
    {
        const temporary_directory where;
        const auto before = ::umask(0);
        const auto directory = must_open_in(options_in(where));
        const auto log = must_create(*directory);
        append(*log, "secret");
        REQUIRE(log->commit());
        REQUIRE(directory->keep_dead_letter(as_bytes("{}")));
        ::umask(before);
        CHECK(mode_of(where.path() / "state") == 0700);
        CHECK(mode_of(where.path() / "state/spool") == 0700);
        CHECK(mode_of(where.path() / "state/dead_letters.jsonl") == 0600);
        int files = 0;
        for (const auto& entry : fs::directory_iterator(where.path() / "state/spool")) {
            CHECK(mode_of(entry.path()) == 0600);
            ++files;
        }
        CHECK(files >= 2);  // the lock and the segment
    }

    TEST_CASE("spool: is locked by one process, and the refusal names it")
    {
        const temporary_directory where;
        const auto options = options_in(where);
        auto directory = must_open_in(options);
        std::string why;
        const auto second = spool_directory::open(options, why);
        CHECK(second.error() == errc::spool_locked);
        CHECK(
            why.find("in use by process " + std::to_string(::getpid()) + ";") != std::string::npos
        );

        const auto pid = run_process([&] {
            std::string reason;
            const auto third = spool_directory::open(options, reason);
            return third.error() == errc::spool_locked ? 0 : 1;
        });
        CHECK(wait_for_process(pid) == 0);
        directory.reset();
        CHECK(must_open_in(options));
    }

    TEST_CASE("spool: a directory that cannot be used is refused with its name and the remedy")
    {
        const temporary_directory where;
        std::ofstream(where.path() / "file") << "not a directory";
        std::string why;
        auto options = options_in(where);
        options.directory = (where.path() / "file/spool").string();
        CHECK_FALSE(spool_directory::open(options, why));
        CHECK(why.find(options.directory) != std::string::npos);
        CHECK(why.find("--state-dir") != std::string::npos);
        options.directory = (where.path() / "file").string();
        CHECK_FALSE(spool_directory::open(options, why));
        CHECK(why.find("--state-dir") != std::string::npos);
        options.directory.clear();
        CHECK(spool_directory::open(options, why).error() == errc::invalid_argument);
    }

    TEST_CASE("spool_file: many parts arrive as one, and a short write is an error")
    {
        const temporary_directory where;
        std::string why;
        const auto storage = *open_system_storage(where.path().string(), why);
        const auto file = *storage->open("f", open_mode::create);
        std::string all;
        std::vector<std::string> texts;
        for (int i = 0; i < 100; ++i)
            texts.push_back(std::string(static_cast<std::size_t>(i), 'a'));
        std::vector<bytes_view> parts;
        for (const auto& text : texts) {
            parts.push_back(as_bytes(text));
            all += text;
        }
        REQUIRE(file->write(parts, 10));
        std::vector<std::byte> read(all.size() + 100);
        CHECK(*file->read(read, 10) == all.size());
        CHECK(same(as_text(bytes_view(read).first(all.size())), all));
        CHECK(*file->size() == all.size() + 10);

        const auto pid = run_process([&] {
            std::signal(SIGXFSZ, SIG_IGN);
            const rlimit limit{100'000, 100'000};
            if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
            const std::string large(70'000, 'b');
            const bytes_view both[] = {as_bytes(large), as_bytes(large)};
            const auto written = file->write(both, 0);
            if (written || written.error() != std::errc::file_too_large) return 2;
            return *file->size() == 100'000 ? 0 : 3;
        });
        CHECK(wait_for_process(pid) == 0);
    }

    TEST_CASE("spool_file: allocates space, filled with zeros if asked")
    {
        const temporary_directory where;
        std::string why;
        const auto storage = *open_system_storage(where.path().string(), why);
        for (const bool zero_fill : {false, true}) {
            const auto file = *storage->open("f", open_mode::create);
            REQUIRE(file->allocate(3'000'000, zero_fill));
            CHECK(*file->size() == 3'000'000);
            struct stat status {};
            REQUIRE(::stat((where.path() / "f").c_str(), &status) == 0);
            CHECK(status.st_blocks * 512 >= 3'000'000);
        }
        CHECK_FALSE(storage->open("missing", open_mode::read));
        CHECK_FALSE(storage->remove("missing"));
    }

    TEST_CASE("spool: kill -9 at random moments loses nothing that was committed")
    {
        std::mt19937_64 random(7);
        for (int round = 0; round < 12; ++round) {
            CAPTURE(round);
            const temporary_directory where;
            auto options = options_in(where);
            if (round % 3 == 2) options.durable = durability::fsync;
            options.segment_size = 64 * 1024;
            std::map<std::string, std::uint64_t> committed;  // by the process that wrote
            for (int kills = 0; kills < 3; ++kills) {
                std::array<int, 2> pipe{};
                REQUIRE(::pipe(pipe.data()) == 0);
                const auto pid = run_process([&] { return write_for_ever(options, pipe[1]); });
                ::close(pipe[1]);
                auto& last = committed[std::to_string(pid)];
                auto wanted = random() % 300;
                std::uint64_t lsn = 0;
                while (::read(pipe[0], &lsn, sizeof lsn) == sizeof lsn) {
                    last = lsn;
                    if (wanted-- == 0) ::kill(pid, SIGKILL);
                }
                ::close(pipe[0]);
                CHECK(wait_for_process(pid) == -SIGKILL);
            }
            std::map<std::string, std::uint64_t> found;
            for (const auto& log : take_left(*must_open_in(options)))
                for (const auto& intent : read_all(*log)) {
                    const auto tag = intent.payload.substr(0, intent.payload.find('#'));
                    CHECK(same(intent.payload, payload_of(intent.lsn, intent.lsn % 2000, tag)));
                    CHECK(intent.lsn == ++found[tag]);
                }
            for (const auto& [tag, last] : committed) CHECK(found[tag] >= last);
        }
    }

    TEST_CASE("spool_log: allocates nothing per intent once it is warm")
    {
        const temporary_directory where;
        auto options = options_in(where);
        options.segment_size = 64 << 20;
        options.size_max = std::uint64_t{64} << 30;
        const auto directory = must_open_in(options);
        const auto log = must_create(*directory);
        const std::string payload(300, 'p');
        const bytes_view part = as_bytes(payload);
        std::uint64_t delivered = 0;
        const auto turn = [&] {
            const auto id = log->intern("keyspace", "INSERT INTO some_table (a, b) VALUES (?, ?)");
            for (int i = 0; i < 32; ++i) log->append_intent({&id, 1}, {&part, 1});
            log->set_clock(static_cast<std::int64_t>(log->last_lsn()));
            if (!log->commit()) FAIL("commit");
            for (auto lsn = log->last_lsn() - 31; lsn <= log->last_lsn(); ++lsn)
                log->settle(lsn, write_state::applied);
            for (;;) {
                const auto next = log->next_intent();
                if (!*next) break;
                ++delivered;
                log->finish((*next)->lsn);
                log->release((*next)->lsn);
            }
        };
        for (int i = 0; i < 1000; ++i) turn();
        const auto before = allocations.load();
        for (int i = 0; i < 2000; ++i) turn();
        CHECK(allocations.load() - before <= 8);  // vectors that still grow
        CHECK(delivered == 3000 * 32);
    }
}
