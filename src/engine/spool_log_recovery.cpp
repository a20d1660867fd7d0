#include <dualwrite/engine/spool_log_recovery.hpp>

#include <algorithm>
#include <deque>
#include <utility>

namespace dualwrite::engine {

using replication::file_window;
using replication::header_status;
using replication::scan_step;
using replication::segment_header_size;

namespace {

constexpr std::size_t read_ahead_size = 256 * 1024;

}  // namespace

spool_log_recovery::spool_log_recovery(
    spool_storage& storage,
    std::string directory,
    const replication::log_id& log,
    std::vector<std::uint64_t> numbers,
    std::string& why
)
    : storage_(storage), directory_(std::move(directory)), log_(log), numbers_(std::move(numbers)),
      why_(why)
{
}

failure spool_log_recovery::damaged(const source& file, std::uint64_t offset, const char* what)
{
    why_ =
        "the spool file " + directory_ + "/" + file.name + " is damaged at byte " +
        std::to_string(offset) + ": " + what +
        ". Nothing was changed. With --durability process a loss of power can do this. Bring back "
        "an intact copy of the file; or copy what is good with `dualwrite spool salvage`, start on "
        "the copy, and let `dualwrite validate` show what differs";
    return fail(errc::spool_corrupt);
}

failure spool_log_recovery::unreadable(const source& file, std::error_code error)
{
    why_ = "cannot read the spool file " + directory_ + "/" + file.name + ": " + error.message();
    return fail(error);
}

result<std::optional<spool_log_state>> spool_log_recovery::run()
{
    DW_CHECK(open_files());
    for (std::size_t index = 0; index < sources_.size(); ++index) {
        DW_TRY(at, read_segment(index));
        if (at.why == nullptr) continue;
        DW_CHECK(refuse_damage(at));
        DW_CHECK(put_aside(at));
        break;
    }
    if (segments_.empty()) return std::optional<spool_log_state>{};
    return std::optional(spool_log_state{
        .identity = {log_, sources_.front().header.header.log_created_us},
        .segments = spool_segments(std::deque(segments_.begin(), segments_.end())),
        .states = std::move(replay_->states()),
        .clock_us = replay_->clock_us(),
    });
}

result<void> spool_log_recovery::sync()
{
    for (std::size_t index = 0; index < segments_.size(); ++index)
        if (const auto synced = sources_[index].file->sync(); !synced) {
            why_ = "cannot sync the spool file " + directory_ + "/" + sources_[index].name + ": " +
                   synced.error().message();
            return fail(synced.error());
        }
    return {};
}

result<void> spool_log_recovery::open_files()
{
    auto expected = numbers_.front();
    for (const auto number : numbers_) {
        auto& file = sources_.emplace_back();
        file.number = expected++;
        file.name = replication::to_text({log_, file.number});
        if (file.number != number)
            return damaged(file, 0, "it is missing, but a later one is there");
        auto opened = storage_.open(file.name, open_mode::read);
        if (!opened) return unreadable(file, opened.error());
        file.file = *std::move(opened);
        const auto size = file.file->size();
        if (!size) return unreadable(file, size.error());
        file.size = *size;
        DW_CHECK(read_header(file));
    }
    return {};
}

result<void> spool_log_recovery::read_header(source& file)
{
    DW_TRY(window, read(file, 0, segment_header_size));
    file.header = replication::read_segment_header(
        window.bytes.first(std::min(window.bytes.size(), segment_header_size))
    );
    if (file.header.status == header_status::newer) {
        why_ = "the spool file " + directory_ + "/" + file.name +
               " was written by a newer dualwrite (format " + std::to_string(file.header.version) +
               "; this one reads format " + std::to_string(replication::segment_version) +
               "): start that version until its spool is delivered";
        return fail(errc::spool_version);
    }
    const auto& header = file.header.header;
    if (file.header.status == header_status::valid &&
        (header.log != log_ || header.segment != file.number))
        return damaged(file, 0, "its header is another file's");
    return {};
}

// At least `size` bytes from `offset` on, or what the file has. Valid until the next call.
result<file_window> spool_log_recovery::read(source& file, std::uint64_t offset, std::size_t size)
{
    const auto left = file.size > offset ? file.size - offset : 0;
    const auto wanted = std::min<std::uint64_t>(std::max(size, read_ahead_size), left);
    buffer_.clear();
    auto* const out = buffer_.extend(static_cast<std::size_t>(wanted));
    const auto n = file.file->read({out, static_cast<std::size_t>(wanted)}, offset);
    if (!n) return unreadable(file, n.error());
    return file_window{{out, *n}, offset};
}

result<spool_log_recovery::stop> spool_log_recovery::read_segment(std::size_t index)
{
    auto& file = sources_[index];
    const auto& header = file.header.header;
    if (file.header.status != header_status::valid) return stop{index, 0, "its header is damaged"};
    if (index == 0) {
        if (header.first_lsn == 0) return damaged(file, 0, "its header is damaged");
        replay_.emplace(header.first_lsn);
    } else if (header.first_lsn != replay_->states().last_lsn() + 1) {
        return damaged(file, 0, "it does not continue the segment before");
    }

    const auto has_next =
        index + 1 < sources_.size() && sources_[index + 1].header.status == header_status::valid;
    const auto end = has_next ? sources_[index + 1].header.header.previous_end : file.size;
    segments_.push_back({
        .number = file.number,
        .first_lsn = header.first_lsn,
        .last_lsn = header.first_lsn - 1,
        .size = file.size,
        .end = segment_header_size,
        .previous_end = header.previous_end,
        .on_disk = true,
    });
    DW_TRY(at, read_records(index, end));
    if (at.why == nullptr && has_next && at.offset != end)
        at.why = "it ends before its successor says";
    segments_.back().end = at.offset;
    segments_.back().last_lsn = replay_->states().last_lsn();
    return at;
}

// Replays the records up to `end` or the first invalid one.
result<spool_log_recovery::stop>
spool_log_recovery::read_records(std::size_t index, std::uint64_t end)
{
    auto& file = sources_[index];
    replication::segment_scan scan(replication::segment_seed(log_, file.number), end);
    file_window window;
    for (;;) {
        const auto step = scan.next(window);
        switch (step.what) {
        case scan_step::kind::record:
            if (const auto* what = replay_->apply(step.record); what != nullptr)
                return damaged(file, step.offset, what);
            break;
        case scan_step::kind::more: {
            DW_TRY(got, read(file, scan.offset(), step.size));
            if (got.bytes.size() < step.size)
                return stop{index, scan.offset(), "the file ends inside a record"};
            window = got;
            break;
        }
        case scan_step::kind::end:
            return stop{index, scan.offset(), nullptr};
        case scan_step::kind::invalid:
            return stop{index, scan.offset(), step.why};
        }
    }
}

// Fails if anything behind `at` shows that the records there were good when it was written.
result<void> spool_log_recovery::refuse_damage(const stop& at)
{
    for (auto index = at.index; index < sources_.size(); ++index) {
        auto& file = sources_[index];
        const auto same = index == at.index;
        replication::tail_search search(
            replication::segment_seed(log_, file.number),
            std::max<std::uint64_t>(same ? at.offset : 0, segment_header_size),
            file.size
        );
        file_window window;
        for (;;) {
            const auto step = search.next(window);
            if (step.what == scan_step::kind::end) break;
            if (step.what == scan_step::kind::record) {
                const auto& fields = step.record.fields;
                if (same ? shows_damage(fields, at.offset) : shows_damage_before(fields))
                    return damaged(sources_[at.index], at.offset, at.why);
                continue;
            }
            DW_TRY(got, read(file, search.offset(), step.size));
            if (got.bytes.size() < step.size) break;
            window = got;
        }
    }
    return {};
}

result<bool> spool_log_recovery::is_zero(source& file, std::uint64_t from)
{
    for (auto offset = from; offset < file.size;) {
        DW_TRY(window, read(file, offset, read_ahead_size));
        if (window.bytes.empty()) break;
        const auto nonzero = [](std::byte b) { return b != std::byte{0}; };
        if (std::any_of(window.bytes.begin(), window.bytes.end(), nonzero)) return false;
        offset += window.bytes.size();
    }
    return true;
}

// The log ends at `at`, and so must its files: the next segment says where this one ends, but that
// one's header can be lost with the next crash. The last files first, so that a crash meanwhile
// leaves no gap.
result<void> spool_log_recovery::put_aside(const stop& at)
{
    for (auto index = sources_.size(); index-- > at.index;) {
        auto& file = sources_[index];
        const auto whole = index > at.index || at.offset == 0;
        const auto offset = whole ? 0 : at.offset;
        DW_TRY(zero, is_zero(file, offset));
        if (!whole) segments_.back().size = offset;
        broken_.push_back({.name = file.name, .offset = offset, .whole = whole, .zero = zero});
    }
    return {};
}

}  // namespace dualwrite::engine
