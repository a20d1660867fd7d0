// Makes the spool of a proxy that was killed with a backlog:
//
//     spool_fill STATE_DIR GIB [PAYLOAD_BYTES]
//
// Writes that the source has and the target does not, each a text INSERT into the null server's
// table, in one log.

#include <dualwrite/engine/spool.hpp>
#include <dualwrite/replication/mutation.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <unistd.h>

using namespace dualwrite;
using namespace dualwrite::engine;

namespace {

constexpr std::uint64_t writes_per_turn = 64;

[[noreturn]] void die(const std::string& why)
{
    std::fprintf(stderr, "spool_fill: %s\n", why.c_str());
    std::exit(1);
}

std::int64_t now_ms()
{
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

void append(spool_log& log, std::uint64_t number, const std::string& filler)
{
    const auto text =
        "INSERT INTO bench.t (k, v) VALUES (" + std::to_string(number) + ", '" + filler + "')";
    replication::mutation_header header;
    header.kind = replication::mutation_kind::query;
    header.flags = replication::mutation_flags::replay;
    header.consistency = 1;
    header.writetime_us = now_ms() * 1000;
    header.accepted_ms = now_ms();
    header.text_size = static_cast<std::uint32_t>(text.size());
    const auto head = replication::encode(header);
    const bytes_view parts[] = {bytes_view(head), as_bytes(text)};
    log.settle(log.append_intent({}, parts), write_state::applied);
}

}  // namespace

int main(int argc, char** argv)
{
    if (argc < 3) die("spool_fill STATE_DIR GIB [PAYLOAD_BYTES]");
    const auto bytes = static_cast<std::uint64_t>(std::atof(argv[2]) * (1 << 30));
    const std::string filler(argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 300, 'x');
    spool_options options;
    options.directory = std::string(argv[1]) + "/spool";
    options.size_max = std::numeric_limits<std::int64_t>::max();
    options.logs_max = 1;
    std::string why;
    auto directory = spool_directory::open(options, why);
    if (!directory) die(why);
    auto log = (*directory)->create_log();
    if (!log) die("no log: " + (*directory)->problem());
    std::uint64_t number = 0;
    while ((*directory)->size_bytes() < bytes) {
        for (std::uint64_t i = 0; i < writes_per_turn; ++i) append(**log, ++number, filler);
        (*log)->set_clock(now_ms() * 1000);
        if (!(*log)->commit()) die((*log)->why());
    }
    std::printf("%llu\n", static_cast<unsigned long long>(number));
    std::fflush(stdout);
    ::_exit(0);  // as a kill leaves it
}
