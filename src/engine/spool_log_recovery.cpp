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
    bool fsync
)
    : storage_(storage), directory_(std::move(directory)), log_(log), numbers_(std::move(numbers)),
      fsync_(fsync)
{
}

failure spool_log_recovery::damaged(std::size_t index, std::uint64_t offset, const char* what)
{
    why_ =
        "the spool file " + directory_ + "/" + sources_[index].name + " is damaged at byte " +
        std::to_string(offset) + ": " + what +
        ". Nothing was changed. With --durability process a loss of power can do this. Bring back "
        "an intact copy of the file; or copy what is good with `dualwrite spool salvage`, start on "
        "the copy, and let `dualwrite validate` show what differs";
    return fail(errc::spool_corrupt);
}

failure spool_log_recovery::failed(const char* what, std::size_t index, std::error_code error)
{
    why_ = std::string("cannot ") + what + " the spool file " + directory_ + "/" +
           sources_[index].name + ": " + error.message();
    return fail(error);
}

result<bool> spool_log_recovery::find_end()
{
    DW_CHECK(find_files());
    DW_TRY(first, find_secured());
    stop at;
    for (;; --first) {
        DW_TRY(found, read_from(first, nullptr));
        at = found;
        if (at.why != nullptr) DW_CHECK(refuse_damage(at));
        // Each segment begins with the clock; where there is none it is in the one before.
        const auto has_clock = std::any_of(segments_.begin(), segments_.end(), [](const auto& s) {
            return s.end > segment_header_size;
        });
        if (has_clock || first == 0) break;
    }
    first_ = first;
    if (fsync_) DW_CHECK(sync(first_, first_ + segments_.size()));
    if (at.why != nullptr) DW_CHECK(put_aside(at));
    sources_.resize(first_ + segments_.size());
    if (sources_.empty()) return false;
    sources_.back().size = segments_.back().size;
    DW_CHECK(read_header(0));
    if (!has_valid_header(0)) return damaged(0, 0, "its header is damaged");
    let_go();
    return true;
}

void spool_log_recovery::let_go()
{
    file_.reset();
    buffer_ = {};
}

spool_identity spool_log_recovery::identity() const noexcept
{
    return {log_, sources_.front().header->header.log_created_us};
}

std::uint64_t spool_log_recovery::unread_bytes() const noexcept
{
    std::uint64_t sum = 0;
    if (!is_read())
        for (const auto& file : sources_) sum += file.size;
    return sum;
}

std::uint64_t spool_log_recovery::unfinished_max() const noexcept
{
    const auto known = replay_->states().unfinished();
    if (is_read()) return known;
    const auto begin = sources_.front().header->header.first_lsn;
    const auto end = sources_[first_].header->header.first_lsn;
    return known + (end > begin ? end - begin : 0);
}

result<spool_log_state> spool_log_recovery::read_all(spool_reading& progress)
{
    if (!is_read()) {
        DW_TRY(at, read_from(0, &progress));
        if (at.why != nullptr) return damaged(at.index, at.offset, at.why);
        if (fsync_) DW_CHECK(sync(0, first_));
        let_go();
    }
    return take_state();
}

spool_log_state spool_log_recovery::take_state()
{
    return {
        .identity = identity(),
        .segments = spool_segments(std::deque(segments_.begin(), segments_.end())),
        .states = std::move(replay_->states()),
        .clock_us = replay_->clock_us(),
    };
}

// Makes what was read durable: an earlier run may have been killed before it could.
result<void> spool_log_recovery::sync(std::size_t first, std::size_t end)
{
    for (auto index = first; index < end; ++index) {
        DW_CHECK(open(index));
        if (const auto synced = file_->sync(); !synced)
            return failed("sync", index, synced.error());
    }
    return {};
}

result<void> spool_log_recovery::find_files()
{
    auto expected = numbers_.front();
    for (const auto number : numbers_) {
        const auto index = sources_.size();
        auto& file = sources_.emplace_back();
        file.number = expected++;
        file.name = replication::to_text({log_, file.number});
        if (file.number != number)
            return damaged(index, 0, "it is missing, but a later one is there");
        DW_CHECK(open(index));
        const auto size = file_->size();
        if (!size) return failed("read", index, size.error());
        file.size = *size;
    }
    return {};
}

// One file at a time: a log may have thousands.
result<void> spool_log_recovery::open(std::size_t index)
{
    if (file_ && file_index_ == index) return {};
    auto opened = storage_.open(sources_[index].name, open_mode::read);
    if (!opened) return failed("read", index, opened.error());
    file_ = *std::move(opened);
    file_index_ = index;
    return {};
}

result<void> spool_log_recovery::read_header(std::size_t index)
{
    auto& file = sources_[index];
    if (file.header) return {};
    DW_TRY(window, read(index, 0, segment_header_size, segment_header_size));
    file.header = replication::read_segment_header(
        window.bytes.first(std::min(window.bytes.size(), segment_header_size))
    );
    if (file.header->status == header_status::newer) {
        why_ = "the spool file " + directory_ + "/" + file.name +
               " was written by a newer dualwrite (format " + std::to_string(file.header->version) +
               "; this one reads format " + std::to_string(replication::segment_version) +
               "): start that version until its spool is delivered";
        return fail(errc::spool_version);
    }
    const auto& header = file.header->header;
    if (file.header->status == header_status::valid &&
        (header.log != log_ || header.segment != file.number))
        return damaged(index, 0, "its header is another file's");
    return {};
}

bool spool_log_recovery::has_valid_header(std::size_t index) const noexcept
{
    return sources_[index].header && sources_[index].header->status == header_status::valid;
}

result<file_window>
spool_log_recovery::read(std::size_t index, std::uint64_t offset, std::size_t size_min)
{
    return read(index, offset, size_min, read_ahead_size);
}

// At least `size_min` bytes from `offset` on, or what the file has. Valid until the next call.
result<file_window> spool_log_recovery::read(
    std::size_t index, std::uint64_t offset, std::size_t size_min, std::size_t size_usual
)
{
    DW_CHECK(open(index));
    const auto& file = sources_[index];
    const auto left = file.size > offset ? file.size - offset : 0;
    const auto wanted = std::min<std::uint64_t>(std::max(size_min, size_usual), left);
    buffer_.clear();
    auto* const out = buffer_.extend(static_cast<std::size_t>(wanted));
    const auto n = file_->read({out, static_cast<std::size_t>(wanted)}, offset);
    if (!n) return failed("read", index, n.error());
    return file_window{{out, *n}, offset};
}

// The last segment that says that all before it were secured: what is invalid before it is damage,
// so the log cannot end there. 0 if none says so.
result<std::size_t> spool_log_recovery::find_secured()
{
    for (auto index = sources_.size(); index-- > 0;) {
        DW_CHECK(read_header(index));
        if (index == 0) break;
        DW_TRY(shows, shows_secured(index));
        if (shows) return index;
    }
    return std::size_t{0};
}

result<bool> spool_log_recovery::shows_secured(std::size_t index)
{
    const auto& file = sources_[index];
    replication::tail_search search(
        replication::segment_seed(log_, file.number), segment_header_size, file.size
    );
    file_window window;
    for (;;) {
        const auto step = search.next(window);
        if (step.what == scan_step::kind::end) return false;
        if (step.what == scan_step::kind::record) {
            if (shows_damage_before(step.record.fields)) return true;
            continue;
        }
        DW_TRY(got, read(index, search.offset(), step.size));
        if (got.bytes.size() < step.size) return false;
        window = got;
    }
}

// Replays the segments from `first` on, up to the first invalid record.
result<spool_log_recovery::stop>
spool_log_recovery::read_from(std::size_t first, spool_reading* progress)
{
    segments_.clear();
    replay_.reset();
    for (auto index = first; index < sources_.size(); ++index) {
        if (progress != nullptr && progress->stop.load(std::memory_order_relaxed))
            return fail(std::make_error_code(std::errc::operation_canceled));
        DW_TRY(at, read_segment(index));
        if (at.why != nullptr) return at;
        if (progress != nullptr) progress->bytes.fetch_add(sources_[index].size);
    }
    return stop{};
}

result<spool_log_recovery::stop> spool_log_recovery::read_segment(std::size_t index)
{
    DW_CHECK(read_header(index));
    if (!has_valid_header(index)) return stop{index, 0, "its header is damaged"};
    if (index + 1 < sources_.size()) DW_CHECK(read_header(index + 1));
    const auto& file = sources_[index];
    const auto& header = file.header->header;
    if (!replay_) {
        if (header.first_lsn == 0) return damaged(index, 0, "its header is damaged");
        replay_.emplace(header.first_lsn);
    } else if (header.first_lsn != replay_->states().last_lsn() + 1) {
        return damaged(index, 0, "it does not continue the segment before");
    }

    const auto has_next = index + 1 < sources_.size() && has_valid_header(index + 1);
    const auto end = has_next ? sources_[index + 1].header->header.previous_end : file.size;
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
    replication::segment_scan scan(replication::segment_seed(log_, sources_[index].number), end);
    file_window window;
    for (;;) {
        const auto step = scan.next(window);
        switch (step.what) {
        case scan_step::kind::record:
            if (const auto* what = replay_->apply(step.record); what != nullptr)
                return damaged(index, step.offset, what);
            break;
        case scan_step::kind::more: {
            DW_TRY(got, read(index, scan.offset(), step.size));
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
        const auto& file = sources_[index];
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
                    return damaged(at.index, at.offset, at.why);
                continue;
            }
            DW_TRY(got, read(index, search.offset(), step.size));
            if (got.bytes.size() < step.size) break;
            window = got;
        }
    }
    return {};
}

result<bool> spool_log_recovery::is_zero(std::size_t index, std::uint64_t from)
{
    for (auto offset = from; offset < sources_[index].size;) {
        DW_TRY(window, read(index, offset, read_ahead_size));
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
        const auto whole = index > at.index || at.offset == 0;
        const auto offset = whole ? 0 : at.offset;
        DW_TRY(zero, is_zero(index, offset));
        if (!whole) segments_.back().size = offset;
        broken_.push_back(
            {.name = sources_[index].name, .offset = offset, .whole = whole, .zero = zero}
        );
    }
    return {};
}

}  // namespace dualwrite::engine
