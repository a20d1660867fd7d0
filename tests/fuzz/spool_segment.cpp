#include <dualwrite/replication/spool_replay.hpp>
#include <dualwrite/replication/spool_scan.hpp>

#include "fuzz.hpp"

// For a segment of records with any content, then anything in the file: the scan ends, what it
// gives is what was written at that place, and the replay never reads past a record.
using namespace dualwrite;
using namespace dualwrite::replication;

static constexpr std::uint32_t seed = 0x5eed;

// Takes records from the input, valid up to their checksums; what is left is put behind them.
static std::vector<std::byte> write_segment(fuzz::input& in)
{
    std::vector<std::byte> bytes(segment_header_size);
    const auto records = in.byte() % 16;
    for (int i = 0; i < records; ++i) {
        const auto type = static_cast<record_type>(in.byte() % 9);
        const auto lsn = in.byte() % 16;
        const auto payload = in.rest().first(std::min<std::size_t>(in.byte(), in.rest().size()));
        const auto offset = bytes.size();
        bytes.resize(offset + record_size(payload.size()));
        auto* const record = bytes.data() + offset;
        if (!payload.empty())
            std::memcpy(record + record_header_size, payload.data(), payload.size());
        seal_record(
            record, payload.size(), {type, static_cast<std::uint64_t>(lsn), 0}, {seed, offset}
        );
        for (std::size_t n = 0; n < payload.size(); ++n) in.byte();
    }
    bytes.insert(bytes.end(), in.rest().begin(), in.rest().end());
    return bytes;
}

template <class Scan, class Visit>
static void walk(Scan scan, const std::vector<std::byte>& bytes, Visit visit)
{
    file_window window;
    for (;;) {
        const auto step = scan.next(window);
        if (step.what == scan_step::kind::record) {
            fuzz::check(step.offset + step.record.size <= bytes.size());
            fuzz::check(step.record.payload.data() >= bytes.data() + step.offset);
            visit(step.record);
        } else if (step.what == scan_step::kind::more) {
            const auto offset = static_cast<std::size_t>(scan.offset());
            fuzz::check(step.size <= bytes.size() - offset);
            window = {bytes_view(bytes).subspan(offset, step.size), offset};
        } else {
            return;
        }
    }
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::input in(data, size);
    const auto bytes = write_segment(in);
    const auto first_lsn = 1 + in.byte() % 4u;
    spool_replay replay(first_lsn);
    bool consistent = true;
    walk(segment_scan(seed, bytes.size()), bytes, [&](const record_view& record) {
        consistent = consistent && replay.apply(record) == nullptr;
    });
    walk(tail_search(seed, segment_header_size, bytes.size()), bytes, [](const record_view&) {});
    const auto& states = replay.states();
    fuzz::check(states.first_unfinished() >= first_lsn);
    fuzz::check(states.first_unfinished() <= states.last_lsn() + 1);
    fuzz::check(states.unfinished() <= states.last_lsn() + 1 - first_lsn);
    fuzz::check(read_segment_header(bytes_view(bytes)).status != header_status::valid);
    return 0;
}
