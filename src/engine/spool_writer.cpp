#include <dualwrite/engine/spool_writer.hpp>

#include <algorithm>
#include <array>
#include <chrono>

namespace dualwrite::engine {

namespace {

using replication::record_alignment;
using replication::record_size;
using replication::record_type;
using replication::segment_header_size;

constexpr std::uint64_t seal_size = record_size(0);
constexpr std::size_t clock_size = 8;
constexpr std::uint64_t left_segment_size = 256 * 1024;  // takes outcomes only
constexpr std::uint64_t page_size = 4096;

std::int64_t wall_clock_us()
{
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

}  // namespace

spool_writer::spool_writer(
    spool_shared& shared,
    const spool_identity& identity,
    spool_segments& segments,
    spool_blocks& blocks,
    spool_committer* committer
)
    : shared_(shared), identity_(identity), segments_(segments), blocks_(blocks),
      committer_(committer), left_(!segments.empty())
{
    if (left_) position_ = secured_ = {segments.back().number, segments.back().end};
}

bool spool_writer::fits(std::uint64_t size) const noexcept
{
    return open_ && position_.offset + size + seal_size <= segments_.back().size;
}

void spool_writer::begin_segment(std::uint64_t size, std::uint64_t last_lsn)
{
    if (open_) {
        begin_record(0);
        end_record(record_type::seal, last_lsn);
    }
    const auto needed = segment_header_size + record_size(clock_size) + size + seal_size;
    const auto usual =
        left_ ? std::min(left_segment_size, shared_.segment_size()) : shared_.segment_size();
    segments_.push_back({
        .number = position_.segment + 1,
        .first_lsn = last_lsn + 1,
        .last_lsn = last_lsn,
        .size = std::max(usual, (needed + page_size - 1) / page_size * page_size),
        .end = segment_header_size,
        .previous_end = position_.offset,
    });
    position_ = {position_.segment + 1, segment_header_size};
    seed_ = replication::segment_seed(identity_.log, position_.segment);
    open_ = true;
    store_le(begin_record(clock_size), clock_us_);
    end_record(record_type::clock, last_lsn);
}

std::byte* spool_writer::begin_record(std::size_t payload_size)
{
    DW_ASSERT(record_ == nullptr);
    const auto size = record_size(payload_size);
    auto* block = blocks_.tail();
    if (block == nullptr || block->end() != position_ || block->room() < size)
        block = &blocks_.push_back(size, position_);
    if (!unwritten_) first_unwritten_ = block;
    unwritten_ = true;
    record_ = block->bytes.get() + block->used;
    block->used += size;
    payload_size_ = payload_size;
    return record_ + replication::record_header_size;
}

void spool_writer::end_record(record_type type, std::uint64_t lsn)
{
    DW_ASSERT(record_ != nullptr);
    replication::seal_record(
        record_, payload_size_, {type, lsn, secured_mark()}, {seed_, position_.offset}
    );
    position_.offset += record_size(payload_size_);
    record_ = nullptr;
    if (type == record_type::intent) segments_.back().last_lsn = lsn;
}

// See record_fields::secured.
std::uint32_t spool_writer::secured_mark() const noexcept
{
    if (!shared_.fsync()) return static_cast<std::uint32_t>(position_.offset / record_alignment);
    if (secured_.segment == position_.segment)
        return static_cast<std::uint32_t>(secured_.offset / record_alignment);
    const spool_position before{position_.segment - 1, segments_.back().previous_end};
    return secured_ == before ? replication::only_earlier_segments : 0;
}

failure spool_writer::failed(const char* what, std::uint64_t segment, std::error_code error)
{
    const auto name = replication::to_text({identity_.log, segment});
    why_ = std::string("cannot ") + what + " " + shared_.path_of(name) + ": " + error.message();
    return fail(error);
}

result<void> spool_writer::create_file(spool_segment& segment)
{
    std::array<std::byte, segment_header_size> bytes;
    replication::write_segment_header(
        bytes.data(),
        {
            .log = identity_.log,
            .segment = segment.number,
            .first_lsn = segment.first_lsn,
            .previous_end = segment.previous_end,
            .log_created_us = identity_.created_us,
            .created_us = wall_clock_us(),
        }
    );
    auto spare = shared_.take_spare(segment.size);
    if (!spare) return failed("create", segment.number, spare.error());
    const bytes_view header(bytes);
    if (const auto written = spare->file->write({&header, 1}, 0); !written)
        return failed("write", segment.number, written.error());

    // From here on a crash finds a file with a whole header, empty at worst.
    const auto name = replication::to_text({identity_.log, segment.number});
    if (const auto renamed = shared_.storage().rename(spare->name, name); !renamed)
        return failed("create", segment.number, renamed.error());
    file_ = std::move(spare->file);
    file_segment_ = segment.number;
    segment.on_disk = true;
    return {};
}

// Writes what follows one another in one segment, and moves `block` behind it.
result<void> spool_writer::write_blocks(spool_block*& block)
{
    auto& segment = segments_.at(block->begin.segment);
    const auto created = !segment.on_disk;
    if (created) DW_CHECK(create_file(segment));
    DW_ASSERT(file_segment_ == segment.number);

    std::array<bytes_view, 16> parts;
    std::size_t count = 0;
    auto* const first = block;
    const auto offset = first->begin.offset + first->written;
    for (; block != nullptr && count < parts.size(); block = block->next.get()) {
        if (block->begin.segment != segment.number) break;
        parts[count++] = {block->bytes.get() + block->written, block->used - block->written};
    }
    if (const auto written = file_->write(std::span(parts).first(count), offset); !written)
        return failed("write", segment.number, written.error());

    for (auto* done = first; done != block; done = done->next.get()) {
        segment.end = done->end().offset;
        done->written = done->used;
    }
    if (committer_ != nullptr) committer_->add(file_, {segment.number, segment.end}, created);
    return {};
}

result<void> spool_writer::write_out()
{
    auto* block = first_unwritten_;
    while (block != nullptr) {
        // The first one may be complete already, when what is new began in the next.
        if (block->written == block->used)
            block = block->next.get();
        else
            DW_CHECK(write_blocks(block));
    }
    first_unwritten_ = nullptr;
    unwritten_ = false;
    if (committer_ != nullptr) secured_ = committer_->secured();
    return {};
}

result<void> spool_writer::sync()
{
    auto synced = file_->sync();
    if (synced) synced = shared_.storage().sync_directory(".");
    if (!synced) return failed("sync", file_segment_, synced.error());
    return {};
}

result<void> spool_writer::close(std::uint64_t last_lsn)
{
    if (!open_) return {};
    begin_record(0);
    end_record(record_type::seal, last_lsn);
    open_ = false;
    DW_CHECK(write_out());
    auto& last = segments_.back();
    if (const auto cut = file_->truncate(last.end); !cut)
        return failed("truncate", last.number, cut.error());
    shared_.subtract_size(last.size - last.end);
    last.size = last.end;
    return {};
}

}  // namespace dualwrite::engine
