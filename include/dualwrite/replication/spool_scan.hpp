#pragma once

#include <dualwrite/replication/spool_record.hpp>
#include <dualwrite/replication/spool_segment.hpp>

#include <algorithm>

// Finds the records of a segment, and tells a torn tail from damage.
//
// The bytes come in as windows: a window is any part of the file that begins at or before
// offset(). What is missing is asked for, so a scan needs no more memory than one record.

namespace dualwrite::replication {

struct scan_step {
    enum class kind : std::uint8_t {
        record,
        more,     // a window with `size` bytes from offset() on is needed
        end,      // no more records
        invalid,  // at offset(): `why`
    };
    kind what{kind::end};
    record_view record;
    std::uint64_t offset{0};  // of the record
    std::size_t size{0};
    const char* why{""};
};

// A part of a file.
struct file_window {
    bytes_view bytes;
    std::uint64_t offset{0};

    // What it has from `from` on; empty if that lies outside.
    bytes_view at(std::uint64_t from) const noexcept
    {
        if (from < offset || from - offset > bytes.size()) return {};
        return bytes.subspan(static_cast<std::size_t>(from - offset));
    }
};

// Walks from record to record up to `end`, the size of the file or, better, the end that the next
// segment's header has.
class segment_scan {
public:
    segment_scan(std::uint32_t seed, std::uint64_t end) noexcept : seed_(seed), end_(end) {}

    // After `invalid` and `end` the same step is given again.
    scan_step next(const file_window& window) noexcept
    {
        scan_step step{.what = scan_step::kind::end, .record = {}, .offset = offset_};
        if (sealed_ || offset_ >= end_) return step;

        const auto found = decode_record(window.at(offset_), {seed_, offset_}, end_ - offset_);
        step.size = found.size;
        step.why = found.why;
        if (found.status == record_status::more) step.what = scan_step::kind::more;
        if (found.status == record_status::invalid) step.what = scan_step::kind::invalid;
        if (found.status != record_status::valid) return step;

        step.what = scan_step::kind::record;
        step.record = found.record;
        offset_ += found.record.size;
        sealed_ = found.record.fields.type == record_type::seal;
        return step;
    }

    std::uint64_t offset() const noexcept { return offset_; }
    bool sealed() const noexcept { return sealed_; }

private:
    std::uint32_t seed_;
    std::uint64_t end_;
    std::uint64_t offset_{segment_header_size};
    bool sealed_{false};
};

// Looks behind an invalid place for anything that is a valid record where it stands.
//
// What a crash leaves behind the last good record is zeros, a part of a record, and after a loss of
// power also pages that were written early. A valid record says how far its segment was secured
// when it was written; if that is behind the invalid place, that place was damaged afterwards.
class tail_search {
public:
    // `from` is the first offset that is looked at, `end` the size of the file.
    tail_search(std::uint32_t seed, std::uint64_t from, std::uint64_t end) noexcept
        : seed_(seed), offset_((from + record_alignment - 1) / record_alignment * record_alignment),
          end_(end)
    {
    }

    // Gives `record`, `more` or `end`.
    scan_step next(const file_window& window) noexcept
    {
        scan_step step;
        for (; offset_ < end_; offset_ += record_alignment) {
            const auto in = window.at(offset_);
            step.offset = offset_;
            if (has_no_type(in)) continue;
            const auto found = decode_record(in, {seed_, offset_}, end_ - offset_);
            if (found.status == record_status::invalid) continue;
            if (found.status == record_status::more) {
                step.what = scan_step::kind::more;
                step.size = found.size;
                return step;
            }
            step.what = scan_step::kind::record;
            step.record = found.record;
            offset_ += found.record.size;
            return step;
        }
        step.what = scan_step::kind::end;
        return step;
    }

    std::uint64_t offset() const noexcept { return offset_; }

private:
    // Most of what is looked at was never written; no checksum is needed to see that.
    static bool has_no_type(bytes_view in) noexcept
    {
        return in.size() >= record_header_size && in[16] == std::byte{0};
    }

    std::uint32_t seed_;
    std::uint64_t offset_;
    std::uint64_t end_;
};

// Whether `later`, a record behind an invalid place in the same segment, shows that the place was
// once good.
constexpr bool shows_damage(const record_fields& later, std::uint64_t invalid_offset) noexcept
{
    return later.secured > only_earlier_segments &&
           std::uint64_t{later.secured} * record_alignment > invalid_offset;
}

// The same for a record in a later segment of the log.
constexpr bool shows_damage_before(const record_fields& later) noexcept
{
    return later.secured != 0;
}

}  // namespace dualwrite::replication
