#include <dualwrite/engine/spool_reader.hpp>

#include <algorithm>

namespace dualwrite::engine {

using replication::record_status;
using replication::record_view;
using replication::segment_header_size;

spool_reader::spool_reader(
    spool_shared& shared,
    const replication::log_id& log,
    spool_segments& segments,
    spool_blocks& blocks,
    spool_position from
)
    : shared_(shared), log_(log), segments_(segments), blocks_(blocks), position_(from)
{
}

result<std::optional<record_view>> spool_reader::next()
{
    for (;;) {
        if (block_ != nullptr && cursor_ < block_->written) {
            const auto record = replication::trusted_record(block_->bytes.get() + cursor_);
            cursor_ += record.size;
            position_.offset += record.size;
            return std::optional(record);
        }
        const auto moved = advance();
        if (!moved) return fail(moved.error());
        if (!*moved) return std::optional<record_view>{};
    }
}

// Goes on to the next block, in memory or from the file. False: there is none yet.
result<bool> spool_reader::advance()
{
    if (!segments_.has(position_.segment)) return false;
    auto end = segments_.at(position_.segment).end;
    if (position_.offset == end) {
        // The next file is made when all records of this one are written.
        const auto next = position_.segment + 1;
        if (!segments_.has(next) || !segments_.at(next).on_disk) return false;
        position_ = {next, segment_header_size};
        end = segments_.at(next).end;
        if (position_.offset == end) return false;
    }

    auto* const following = block_ != nullptr ? block_->next.get() : blocks_.head();
    if (following == nullptr || following->begin != position_) {
        if (following != nullptr && following->begin.segment == position_.segment)
            end = following->begin.offset;
        DW_CHECK(load(end));
    } else {
        block_ = following;
        cursor_ = 0;
    }
    blocks_.release(block_, released_lsn_);
    return true;
}

// Makes block_ one with the records at position_, which are in the file up to `end`.
result<void> spool_reader::load(std::uint64_t end)
{
    if (!file_ || file_segment_ != position_.segment) {
        const auto name = replication::to_text({log_, position_.segment});
        auto opened = shared_.storage().open(name, open_mode::read);
        if (!opened) return failed(0, opened.error().message(), opened.error());
        file_ = *std::move(opened);
        file_segment_ = position_.segment;
        seed_ = replication::segment_seed(log_, file_segment_);
    }
    auto size = std::min(read_ahead_size, end - position_.offset);
    for (;;) {
        auto& block = blocks_.insert(block_, static_cast<std::size_t>(size), position_);
        const auto needed = fill(block, end);
        if (needed && *needed == 0) {
            block_ = &block;
            cursor_ = 0;
            return {};
        }
        blocks_.remove_after(block_);
        if (!needed) return fail(needed.error());
        size = *needed;
    }
}

// Reads as many whole records as fit; the number of bytes that the first one needs if it does not.
result<std::size_t> spool_reader::fill(spool_block& block, std::uint64_t end)
{
    const auto offset = block.begin.offset;
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(block.capacity, end - offset));
    const auto read = file_->read({block.bytes.get(), wanted}, offset);
    if (!read) return failed(offset, read.error().message(), read.error());

    std::size_t used = 0;
    while (used < *read) {
        const bytes_view rest(block.bytes.get() + used, *read - used);
        const auto found =
            replication::decode_record(rest, {seed_, offset + used}, end - offset - used);
        if (found.status == record_status::invalid)
            return failed(offset + used, found.why, errc::spool_corrupt);
        if (found.status == record_status::more) {
            if (used == 0 && *read == wanted) return found.size;
            break;
        }
        used += found.size;
    }
    if (used == 0) return failed(offset, "the file ends too early", errc::spool_corrupt);
    block.used = block.written = used;
    return std::size_t{0};
}

void spool_reader::release(std::uint64_t lsn)
{
    released_lsn_ = std::max(released_lsn_, lsn);
    if (block_ != nullptr) blocks_.release(block_, released_lsn_);
}

failure spool_reader::failed(std::uint64_t offset, const std::string& what, std::error_code error)
{
    const auto name = replication::to_text({log_, position_.segment});
    why_ =
        "cannot read " + shared_.path_of(name) + " at byte " + std::to_string(offset) + ": " + what;
    return fail(error);
}

}  // namespace dualwrite::engine
