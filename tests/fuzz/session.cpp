#include <cstdio>
#include <deque>
#include <set>

#include "../support/proxy_rig.hpp"
#include "fuzz.hpp"
#include "session_script.hpp"

// A whole proxy between two nodes, kept from one input to the next. For any bytes of a client, in
// any pieces, and any answers of the source: the connection ends, the client gets nothing but whole
// envelopes, and then the target has the writes that the source has executed, with their times, and
// no others.
using namespace dualwrite;
using namespace dualwrite::test;
using fuzz::check;

namespace {

struct stage {
    stage()
    {
        rig.options.patience.orphan_ms = 300;
        rig.options.patience.refusal_ms = 300;
        rig.start();
    }
    proxy_rig rig;
    std::mutex mutex;
    std::deque<reply> replies;  // of the source, to the client's requests

    void set_replies(std::deque<reply> next)
    {
        {
            const std::lock_guard lock(mutex);
            replies = std::move(next);
        }
        rig.source.set_script([this](const seen_request& r) {
            const std::lock_guard lock(mutex);
            if (r.own || replies.empty()) return reply::normal();
            auto next_reply = std::move(replies.front());
            replies.pop_front();
            return next_reply;
        });
    }
};

stage& the_stage()
{
    static stage its;
    return its;
}

// What the client got behind the answer to its STARTUP.
void check_received(const wire_client& client, std::uint8_t version)
{
    const auto& all = client.received();
    if (all.size() < protocol::envelope_header_size) return;
    protocol::envelope_decoder decoder(1 << 24);
    if (version >= 5) decoder.switch_to_segments(false);
    decoder.feed(as_bytes(std::string_view(all).substr(protocol::envelope_header_size)));
    for (auto next = decoder.next(); check(next.has_value()), next->has_value();
         next = decoder.next())
        check((*next)->header.response && (*next)->header.version == version);
}

using times = std::set<std::int64_t>;

// Of writes that are replayed: those of the texts that the script knows.
times times_of(const fake_cluster& side)
{
    times out;
    for (const auto& write : side.writes())
        if (write->timestamp_us && fuzz::is_replayed(*write)) out.insert(*write->timestamp_us);
    return out;
}

void print(const char* name, const fake_cluster& side)
{
    std::fprintf(stderr, "%s:\n", name);
    for (const auto& r : side.requests())
        std::fprintf(
            stderr,
            "  %s%s time %lld, stream %d, %s: %s\n",
            r->own ? "own " : "",
            std::string(protocol::opcode_name(r->op())).c_str(),
            static_cast<long long>(r->timestamp_us.value_or(0)),
            r->header.stream,
            r->executed ? "executed" : "not executed",
            r->text.c_str()
        );
}

// Aborts like check(), and says what the nodes have seen.
void check_stage(const proxy_rig& rig, bool holds, const char* promise)
{
    if (holds) return;
    std::fprintf(stderr, "broken: %s\n", promise);
    print("source", rig.source);
    print("target", rig.target);
    std::abort();
}

void run_client(proxy_rig& rig, const fuzz::session_script& script)
{
    auto client = rig.client(script.version);
    client.set_limit_ms(5000);
    try {
        for (const auto& piece : script.pieces_of(client)) client.send_bytes(piece);
        if (script.waits)
            for (std::size_t i = 0; i < script.requests; ++i) client.receive();
        client.finish();
    } catch (const wire_error&) {
        // It was sent away, as it may be.
    }
    check(client.is_closed());
    check_received(client, script.version);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    auto& its = the_stage();
    auto& rig = its.rig;
    fuzz::input in(data, size);
    auto script = fuzz::read_session_script(in);
    its.set_replies(std::move(script.replies));
    run_client(rig, script);
    check_stage(rig, rig.wait_for_number("clients", 0, 5000), "the session ends");
    check_stage(rig, rig.is_delivered(10'000), "every write is delivered");
    check_stage(rig, times_of(rig.source) == times_of(rig.target), "both have the same writes");
    for (auto* side : {&rig.source, &rig.target}) {
        side->forget_requests();
        side->forget_connections();
    }
    return 0;
}
