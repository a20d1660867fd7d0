#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/base/error.hpp>
#include <dualwrite/base/result.hpp>

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

// A mutation: a write kept for the target, independent of the connection that it came from (no
// compression, no tracing, no prepared id, no keyspace context). The payload of an INTENT record.
// docs/formats/mutation.md has the same table.
//
//   offset size
//   0      1    format, 1
//   1      1    mutation_kind
//   2      1    flags
//   3      1    batch type (BATCH)
//   4      2    consistency
//   6      2    number of values (query, execute), of children (batch)
//   8      8    write time in microseconds; INT64_MIN: the text says it
//   16     8    when it was accepted, milliseconds since 1970
//   24     4    execute: the log's statement id
//   28     4    bytes of text
//   32          text, then values as they stood in the request (names included)
//
//   a child of a batch: prepared(1) 0(1) values(2) statement id or bytes of text(4)
//   bytes of values(4) text values
//
// All numbers little-endian; values keep the protocol's big-endian form bit for bit.

namespace dualwrite::replication {

enum class mutation_kind : std::uint8_t {
    query = 1,    // text with its values
    execute = 2,  // a statement of the log's dictionary with its values
    batch = 3,
    schema = 4,  // DDL: a barrier, nothing overtakes it
};

namespace mutation_flags {
inline constexpr std::uint8_t named_values = 1;
inline constexpr std::uint8_t several = 2;  // may write more than one partition
inline constexpr std::uint8_t has_ttl = 4;  // its expiry depends on when it is executed
// How it gets to the target. With neither flag that is decided when it is delivered: the table was
// not known when it was accepted.
inline constexpr std::uint8_t replay = 8;  // as it is
inline constexpr std::uint8_t refresh =
    16;  // not itself: the partitions that it wrote are refreshed
inline constexpr std::uint8_t may_empty = 32;  // may have taken a row's last cell
inline constexpr std::uint8_t truncates = 64;  // schema: TRUNCATE
// When the target has it its rows are refreshed: a deletion beside lists, whose elements refreshes
// write; or a transaction with a larger time may hide it at the source.
inline constexpr std::uint8_t beside_refreshes = 128;
}  // namespace mutation_flags

inline constexpr std::int64_t writetime_in_text = std::numeric_limits<std::int64_t>::min();

struct mutation_header {
    mutation_kind kind{mutation_kind::query};
    std::uint8_t flags{0};
    std::uint8_t batch_type{0};
    std::uint16_t consistency{0};
    std::uint16_t count{0};
    std::int64_t writetime_us{writetime_in_text};
    std::int64_t accepted_ms{0};
    std::uint32_t statement{0};
    std::uint32_t text_size{0};
};

inline constexpr std::size_t mutation_header_size = 32;
inline constexpr std::size_t mutation_child_size = 12;

inline std::array<std::byte, mutation_header_size> encode(const mutation_header& h) noexcept
{
    std::array<std::byte, mutation_header_size> out{};
    out[0] = std::byte{1};
    out[1] = static_cast<std::byte>(h.kind);
    out[2] = static_cast<std::byte>(h.flags);
    out[3] = static_cast<std::byte>(h.batch_type);
    store_le(&out[4], h.consistency);
    store_le(&out[6], h.count);
    store_le(&out[8], h.writetime_us);
    store_le(&out[16], h.accepted_ms);
    store_le(&out[24], h.statement);
    store_le(&out[28], h.text_size);
    return out;
}

struct mutation_child {
    bool prepared{false};
    std::uint16_t value_count{0};
    std::uint32_t statement{0};  // prepared
    std::string_view text;       // not prepared
    bytes_view values;
};

inline void append_child(byte_buffer& out, const mutation_child& child)
{
    auto* begin = out.extend(mutation_child_size);
    begin[0] = std::byte{child.prepared};
    begin[1] = std::byte{0};
    store_le(begin + 2, child.value_count);
    store_le(
        begin + 4, child.prepared ? child.statement : static_cast<std::uint32_t>(child.text.size())
    );
    store_le(begin + 8, static_cast<std::uint32_t>(child.values.size()));
    if (!child.prepared) out.append(as_bytes(child.text));
    out.append(child.values);
}

// Views into the payload.
struct mutation_view {
    mutation_header header;
    std::string_view text;
    bytes_view values;  // batch: its children

    bool has(std::uint8_t flag) const noexcept { return (header.flags & flag) != 0; }
};

// Of a payload that parse_mutation() has taken: single fields without the rest.
inline mutation_kind peek_kind(bytes_view payload) noexcept
{
    return static_cast<mutation_kind>(payload[1]);
}
inline bool peek_flag(bytes_view payload, std::uint8_t flag) noexcept
{
    return (std::to_integer<std::uint8_t>(payload[2]) & flag) != 0;
}
inline std::int64_t peek_accepted_ms(bytes_view payload) noexcept
{
    return load_le<std::int64_t>(&payload[16]);
}

// Walks the children of a batch. Empty at the end; an error if the bytes are damaged.
class child_reader {
public:
    explicit child_reader(const mutation_view& batch) noexcept
        : left_(batch.values), count_(batch.header.count)
    {
    }

    result<std::optional<mutation_child>> next() noexcept
    {
        if (count_ == 0) {
            if (!left_.empty()) return fail(errc::malformed);
            return std::optional<mutation_child>{};
        }
        if (left_.size() < mutation_child_size) return fail(errc::malformed);
        mutation_child child;
        child.prepared = left_[0] != std::byte{0};
        child.value_count = load_le<std::uint16_t>(left_.data() + 2);
        const auto number = load_le<std::uint32_t>(left_.data() + 4);
        const std::size_t text_size = child.prepared ? 0 : number;
        const std::size_t values_size = load_le<std::uint32_t>(left_.data() + 8);
        left_ = left_.subspan(mutation_child_size);
        if (left_.size() < text_size || left_.size() - text_size < values_size)
            return fail(errc::malformed);
        if (child.prepared) child.statement = number;
        child.text = as_text(left_.first(text_size));
        child.values = left_.subspan(text_size, values_size);
        left_ = left_.subspan(text_size + values_size);
        --count_;
        return std::optional{child};
    }

private:
    bytes_view left_;
    std::uint16_t count_;
};

inline result<mutation_view> parse_mutation(bytes_view in) noexcept
{
    if (in.size() < mutation_header_size || in[0] != std::byte{1}) return fail(errc::malformed);
    mutation_view out;
    auto& h = out.header;
    h.kind = static_cast<mutation_kind>(in[1]);
    if (h.kind < mutation_kind::query || h.kind > mutation_kind::schema)
        return fail(errc::malformed);
    h.flags = std::to_integer<std::uint8_t>(in[2]);
    h.batch_type = std::to_integer<std::uint8_t>(in[3]);
    h.consistency = load_le<std::uint16_t>(&in[4]);
    h.count = load_le<std::uint16_t>(&in[6]);
    h.writetime_us = load_le<std::int64_t>(&in[8]);
    h.accepted_ms = load_le<std::int64_t>(&in[16]);
    h.statement = load_le<std::uint32_t>(&in[24]);
    h.text_size = load_le<std::uint32_t>(&in[28]);
    in = in.subspan(mutation_header_size);
    if (in.size() < h.text_size) return fail(errc::malformed);
    out.text = as_text(in.first(h.text_size));
    out.values = in.subspan(h.text_size);
    return out;
}

}  // namespace dualwrite::replication
