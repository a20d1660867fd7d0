#pragma once

#include <dualwrite/base/assert.hpp>
#include <dualwrite/base/bytes.hpp>
#include <dualwrite/replication/spool_crc.hpp>
#include <dualwrite/replication/write_states.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

// One record of the spool, docs/formats/spool.md. Little-endian, 8-byte aligned in its file.
//
//     record  = header payload crc padding
//     header  = header_crc:u32 payload_size:u32 lsn:u64 type:u8 flags:u8 reserved:u16 secured:u32
//     crc     = u32: CRC-32C of the payload, continued from header_crc
//     padding = zero bytes up to a multiple of 8
//
// header_crc is the CRC-32C of log id, segment number, offset in the file and the header's other
// 20 bytes. So a record is valid at its own place only: not in another log, not in another
// segment, not where a copy of it lies; and a damaged length is never followed.

namespace dualwrite::replication {

enum class record_type : std::uint8_t {
    // 0 is what a file that was never written has.
    statement = 1,  // id:u32 keyspace_size:u32 keyspace text
    intent = 2,     // count:u32 statement_id:u32... payload; its lsn is one above the last one
    settled = 3,    // range...: outcomes at the source
    done = 4,       // watermark:u64 range...: delivered; all up to the watermark are finished
    clock = 5,      // write_time_us:i64: no write time that was given out is above it
    note = 6,       // opaque
    seal = 7,       // the segment's last record; empty
};

inline constexpr std::size_t record_header_size = 24;
inline constexpr std::size_t record_crc_size = 4;
inline constexpr std::size_t record_alignment = 8;
inline constexpr std::uint64_t record_payload_max = 0xffff'0000;

constexpr std::size_t record_size(std::size_t payload_size) noexcept
{
    constexpr auto fixed = record_header_size + record_crc_size;
    return (fixed + payload_size + record_alignment - 1) / record_alignment * record_alignment;
}

using log_id = std::array<std::byte, 16>;

// What every header_crc of a segment begins with.
inline std::uint32_t segment_seed(const log_id& log, std::uint64_t segment) noexcept
{
    std::array<std::byte, sizeof(std::uint64_t)> number;
    store_le(number.data(), segment);
    return crc32c(crc32c(0, log), number);
}

// A value of record_fields::secured: all earlier segments, but nothing of this one.
inline constexpr std::uint32_t only_earlier_segments = 1;

// Where a record stands: the seed of its segment and its offset in the file.
struct record_place {
    std::uint32_t seed{0};
    std::uint64_t offset{0};
};

struct record_fields {
    record_type type{};
    std::uint64_t lsn{0};  // of the intent; in others the lsn of the last intent before
    // In units of 8 bytes: when this was written, this segment up to here was as durable as the
    // log promises, and so were all earlier segments. 0: they were not. An invalid record before
    // this place is damage then; behind it, it can be what a loss of power leaves.
    std::uint32_t secured{0};
};

struct record_view {
    record_fields fields;
    bytes_view payload;
    std::size_t size{0};  // of the whole record
};

namespace detail {

inline std::uint32_t header_crc(const std::byte* header, record_place place) noexcept
{
    std::array<std::byte, record_header_size + 4> covered;
    store_le(covered.data(), place.offset);
    std::memcpy(covered.data() + 8, header + 4, record_header_size - 4);
    return crc32c(place.seed, covered);
}

}  // namespace detail

// Completes a record whose payload the caller has already put at record + record_header_size.
// `record` has record_size(payload_size) bytes.
inline void seal_record(
    std::byte* record, std::size_t payload_size, const record_fields& fields, record_place place
) noexcept
{
    DW_ASSERT(payload_size <= record_payload_max);
    store_le(record + 4, static_cast<std::uint32_t>(payload_size));
    store_le(record + 8, fields.lsn);
    record[16] = static_cast<std::byte>(fields.type);
    std::memset(record + 17, 0, 3);
    store_le(record + 20, fields.secured);
    const auto crc = detail::header_crc(record, place);
    store_le(record, crc);

    auto* const end = record + record_header_size + payload_size;
    store_le(end, crc32c(crc, {record + record_header_size, payload_size}));
    const auto padding = record_size(payload_size) - record_header_size - payload_size - 4;
    std::memset(end + record_crc_size, 0, padding);
}

enum class record_status : std::uint8_t {
    valid,
    more,     // `size` bytes are needed
    invalid,  // `why`
};

struct decoded_record {
    record_status status{record_status::invalid};
    record_view record;
    std::size_t size{0};
    const char* why{""};
};

namespace detail {

inline decoded_record invalid_record(const char* why) noexcept
{
    return {.status = record_status::invalid, .record = {}, .size = 0, .why = why};
}

inline decoded_record
read_record_body(bytes_view in, const record_fields& fields, std::size_t payload_size) noexcept
{
    const auto size = record_size(payload_size);
    const auto payload = in.subspan(record_header_size, payload_size);
    const auto end = record_header_size + payload_size;
    if (load_le<std::uint32_t>(in.data() + end) !=
        crc32c(load_le<std::uint32_t>(in.data()), payload))
        return invalid_record("the checksum of a record's content does not fit");
    for (auto i = end + record_crc_size; i < size; ++i)
        if (in[i] != std::byte{0}) return invalid_record("the padding of a record is not zero");
    return {
        .status = record_status::valid,
        .record = {.fields = fields, .payload = payload, .size = size},
        .size = size,
    };
}

}  // namespace detail

// Reads the record at `place`. `in` begins there; `limit` is the number of bytes that the segment
// has from there on. Never reads past `in`.
inline decoded_record decode_record(bytes_view in, record_place place, std::uint64_t limit) noexcept
{
    constexpr auto size_min = record_size(0);
    if (limit < size_min) return detail::invalid_record("a record does not fit into its file");
    if (in.size() < size_min)
        return {.status = record_status::more, .record = {}, .size = size_min};

    const auto* header = in.data();
    if (load_le<std::uint32_t>(header) != detail::header_crc(header, place))
        return detail::invalid_record("the checksum of a record's header does not fit");
    const auto type = std::to_integer<std::uint8_t>(header[16]);
    if (type < 1 || type > 7 || header[17] != std::byte{0} ||
        load_le<std::uint16_t>(header + 18) != 0)
        return detail::invalid_record("a record has an unknown type");
    const auto payload_size = load_le<std::uint32_t>(header + 4);
    if (payload_size > record_payload_max || record_size(payload_size) > limit)
        return detail::invalid_record("a record does not fit into its file");
    if (in.size() < record_size(payload_size))
        return {.status = record_status::more, .record = {}, .size = record_size(payload_size)};

    const record_fields fields{
        .type = static_cast<record_type>(type),
        .lsn = load_le<std::uint64_t>(header + 8),
        .secured = load_le<std::uint32_t>(header + 20),
    };
    return detail::read_record_body(in, fields, payload_size);
}

// The record at `in`, which was checked before or never left this process's memory.
inline record_view trusted_record(const std::byte* in) noexcept
{
    const auto payload_size = load_le<std::uint32_t>(in + 4);
    return {
        .fields =
            {
                .type = static_cast<record_type>(in[16]),
                .lsn = load_le<std::uint64_t>(in + 8),
                .secured = load_le<std::uint32_t>(in + 20),
            },
        .payload = {in + record_header_size, payload_size},
        .size = record_size(payload_size),
    };
}

}  // namespace dualwrite::replication
