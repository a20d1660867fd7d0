#include <dualwrite/engine/spool_walk.hpp>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

namespace dualwrite::engine {

using replication::file_window;
using replication::header_status;
using replication::record_type;
using replication::record_view;
using replication::scan_step;
using replication::segment_header_size;

namespace {

constexpr std::size_t read_ahead_size = 256 * 1024;

bool is_gone(std::error_code error) noexcept
{
    return error == std::errc::no_such_file_or_directory;
}

walked_header header_of(header_status status) noexcept
{
    switch (status) {
    case header_status::valid:
        return walked_header::valid;
    case header_status::unwritten:
        return walked_header::unwritten;
    case header_status::newer:
        return walked_header::newer;
    case header_status::damaged:
        break;
    }
    return walked_header::damaged;
}

class walker {
public:
    walker(
        spool_storage& storage,
        const std::string& directory,
        const replication::log_id& log,
        const record_visitor& visit,
        std::string& why
    )
        : storage_(storage), directory_(directory), log_(log), visit_(visit), why_(why)
    {
    }

    result<walked_log> run(const std::vector<std::uint64_t>& numbers)
    {
        for (const auto number : numbers) DW_CHECK(read_header(number));
        for (std::size_t i = 0; i < out_.segments.size(); ++i) DW_CHECK(read_segment(i));
        return std::move(out_);
    }

private:
    failure unreadable(const walked_segment& segment, std::error_code error)
    {
        why_ = "cannot read the spool file " + directory_ + "/" + segment.name + ": " +
               error.message();
        return fail(error);
    }

    walked_segment& add_segment(std::uint64_t number)
    {
        auto& segment = out_.segments.emplace_back();
        segment.number = number;
        segment.name = replication::to_text({log_, number});
        return segment;
    }

    // Numbers that are missing between others get an entry, too; those at the front were deleted.
    result<void> read_header(std::uint64_t number)
    {
        while (!out_.segments.empty() && out_.segments.back().number + 1 < number &&
               number - out_.segments.back().number < missing_files_max)
            add_segment(out_.segments.back().number + 1).header = walked_header::missing;
        auto& segment = add_segment(number);
        auto file = storage_.open(segment.name, open_mode::read);
        if (!file && is_gone(file.error())) return forget(segment);
        if (!file) return unreadable(segment, file.error());
        const auto size = (*file)->size();
        if (!size) return unreadable(segment, size.error());
        segment.size = *size;
        std::vector<std::byte> bytes(segment_header_size);
        const auto n = (*file)->read(bytes, 0);
        if (!n) return unreadable(segment, n.error());
        take_header(segment, bytes_view(bytes).first(*n));
        return {};
    }

    result<void> forget(walked_segment& segment)
    {
        if (out_.segments.size() == 1)
            out_.segments.pop_back();
        else
            segment.header = walked_header::missing;
        return {};
    }

    void take_header(walked_segment& segment, bytes_view bytes) const
    {
        const auto found = replication::read_segment_header(bytes);
        segment.header = header_of(found.status);
        segment.version = found.version;
        if (found.status != header_status::valid) return;
        if (found.header.log != log_ || found.header.segment != segment.number) {
            segment.header = walked_header::damaged;
            return;
        }
        segment.first_lsn = found.header.first_lsn;
        segment.previous_end = found.header.previous_end;
        segment.created_us = found.header.created_us;
        segment.log_created_us = found.header.log_created_us;
    }

    result<void> read_segment(std::size_t index)
    {
        auto& segment = out_.segments[index];
        if (segment.header == walked_header::missing) {
            add_gap(segment, 0, 0, "the file is missing");
            return {};
        }
        if (segment.header == walked_header::newer) {
            add_gap(segment, 0, segment.size, "it is of a newer format");
            return {};
        }
        if (segment.header == walked_header::damaged)
            add_gap(segment, 0, segment_header_size, "its header is damaged");
        if (segment.first_lsn != 0) reach(segment.first_lsn - 1);
        auto file = storage_.open(segment.name, open_mode::read);
        if (!file && is_gone(file.error())) return {};
        if (!file) return unreadable(segment, file.error());
        const auto has_next = index + 1 < out_.segments.size() &&
                              out_.segments[index + 1].header == walked_header::valid;
        const auto end = has_next ? out_.segments[index + 1].previous_end : segment.size;
        return read_records(segment, **file, end, has_next);
    }

    // `expected_end`: what the file has or, `certain`, what its successor says that it should have.
    result<void> read_records(
        walked_segment& segment, spool_file& file, std::uint64_t expected_end, bool certain
    )
    {
        const auto end = std::min(expected_end, segment.size);
        replication::tail_search search(
            replication::segment_seed(log_, segment.number), segment_header_size, end
        );
        auto offset = segment.end = std::min<std::uint64_t>(segment_header_size, segment.size);
        file_window window;
        for (;;) {
            const auto step = search.next(window);
            if (step.what == scan_step::kind::end) break;
            if (step.what == scan_step::kind::more) {
                DW_TRY(got, read(segment, file, search.offset(), step.size));
                if (got.bytes.size() < step.size) break;
                window = got;
                continue;
            }
            if (step.offset != offset) add_gap(segment, offset, step.offset, not_a_record);
            take(segment, step);
            offset = segment.end = step.offset + step.record.size;
            if (segment.sealed) break;
        }
        if (segment.sealed && !certain) return {};
        if (expected_end > segment.size) {
            add_gap(segment, segment.end, expected_end, "the file ends too early");
            return {};
        }
        if (segment.end >= end) return {};
        DW_TRY(last, last_byte(segment, file, segment.end, end));
        if (certain)
            add_gap(segment, segment.end, end, not_a_record);
        else if (last != 0)
            add_gap(segment, segment.end, last, not_a_record);
        return {};
    }

    void take(walked_segment& segment, const scan_step& step)
    {
        const auto& fields = step.record.fields;
        for (auto& gap : out_.gaps) {
            if (gap.damage) continue;
            const auto same = gap.segment == segment.number;
            gap.damage = same ? shows_damage(fields, gap.begin) : shows_damage_before(fields);
        }
        const auto intent = fields.type == record_type::intent;
        reach(intent && fields.lsn != 0 ? fields.lsn - 1 : fields.lsn);
        last_lsn_ = std::max(last_lsn_, fields.lsn);
        known_ = true;
        ++segment.records;
        segment.sealed = fields.type == record_type::seal;
        visit_(segment, step.offset, step.record);
    }

    // All intents up to `lsn` were written before this place: what is missing is in the gaps.
    void reach(std::uint64_t lsn)
    {
        for (; explained_ < out_.gaps.size(); ++explained_) {
            auto& gap = out_.gaps[explained_];
            if (known_ && lsn > last_lsn_)
                gap.first_lsn = last_lsn_ + 1, gap.last_lsn = lsn;
            else
                gap.first_lsn = gap.last_lsn = 0;
        }
        last_lsn_ = std::max(last_lsn_, lsn);
        known_ = true;
    }

    // Behind the last byte that is not zero; 0: all are.
    result<std::uint64_t> last_byte(
        const walked_segment& segment, spool_file& file, std::uint64_t from, std::uint64_t end
    )
    {
        std::uint64_t last = 0;
        for (auto offset = from; offset < end;) {
            DW_TRY(window, read(segment, file, offset, read_ahead_size));
            if (window.bytes.empty()) break;
            for (std::size_t i = 0; i < window.bytes.size() && offset + i < end; ++i)
                if (window.bytes[i] != std::byte{0}) last = offset + i + 1;
            offset += window.bytes.size();
        }
        return last;
    }

    void
    add_gap(const walked_segment& segment, std::uint64_t begin, std::uint64_t end, const char* why)
    {
        walked_gap gap;
        gap.file = segment.name;
        gap.segment = segment.number;
        gap.begin = begin;
        gap.end = end;
        gap.why = why;
        gap.first_lsn = last_lsn_ + 1;
        // Whatever stands in a file that is not there or cannot be read was once good.
        gap.damage =
            segment.header == walked_header::missing || segment.header == walked_header::newer;
        out_.gaps.push_back(std::move(gap));
    }

    result<file_window>
    read(const walked_segment& segment, spool_file& file, std::uint64_t offset, std::size_t size)
    {
        const auto left = segment.size > offset ? segment.size - offset : 0;
        const auto wanted =
            static_cast<std::size_t>(std::min<std::uint64_t>(std::max(size, read_ahead_size), left)
            );
        buffer_.resize(std::max(buffer_.size(), wanted));
        const auto n = file.read({buffer_.data(), wanted}, offset);
        if (!n) return unreadable(segment, n.error());
        return file_window{{buffer_.data(), *n}, offset};
    }

    static constexpr auto not_a_record = "there is no record that its checksum confirms";
    static constexpr std::uint64_t missing_files_max = 100'000;

    spool_storage& storage_;
    const std::string& directory_;
    const replication::log_id& log_;
    const record_visitor& visit_;
    std::string& why_;

    walked_log out_;
    std::vector<std::byte> buffer_;
    std::uint64_t last_lsn_{0};
    bool known_{false};  // last_lsn_ is
    std::size_t explained_{0};
};

}  // namespace

result<spool_listing> list_spool(spool_storage& storage)
{
    spool_listing found;
    DW_TRY(names, storage.list());
    std::sort(names.begin(), names.end());
    for (auto& name : names) {
        if (const auto segment = replication::parse_segment_name(name))
            found.logs[segment->log].push_back(segment->segment);
        else if (name.starts_with("spare-"))
            found.spares.push_back(std::move(name));
        else if (name.starts_with("dw-") && name.ends_with(".broken"))
            found.broken.push_back(std::move(name));
        else if (name != "lock")
            found.foreign.push_back(std::move(name));
    }
    for (auto& [log, numbers] : found.logs) std::sort(numbers.begin(), numbers.end());
    return found;
}

result<walked_log> walk_log(
    spool_storage& storage,
    const std::string& directory,
    const replication::log_id& log,
    const std::vector<std::uint64_t>& numbers,
    const record_visitor& visit,
    std::string& why
)
{
    return walker(storage, directory, log, visit, why).run(numbers);
}

}  // namespace dualwrite::engine
