#pragma once

#include <dualwrite/replication/spool_record.hpp>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

// A segment: one file of a log. Its name is dw-<log id in hex>-<number, 8 digits or more>.log; it
// begins with a header of 4096 bytes, little-endian, zero behind the fields:
//
//     magic:"DWSPOOL\0" version:u32 header_size:u32 log_id:16 bytes segment:u64 first_lsn:u64
//     previous_end:u64 log_created_us:i64 created_us:i64 crc:u32 (CRC-32C of all before it)

namespace dualwrite::replication {

inline constexpr std::string_view segment_magic{"DWSPOOL\0", 8};
inline constexpr std::uint32_t segment_version = 1;
inline constexpr std::size_t segment_header_size = 4096;

struct segment_header {
    log_id log{};
    std::uint64_t segment{0};
    std::uint64_t first_lsn{0};      // of the first intent that this segment will have
    std::uint64_t previous_end{0};   // where the records of the segment before end; 0: none before
    std::int64_t log_created_us{0};  // since 1970
    std::int64_t created_us{0};
    friend bool operator==(const segment_header&, const segment_header&) = default;
};

namespace detail {
inline constexpr std::size_t segment_fields_size = 72;
}

inline void write_segment_header(std::byte* out, const segment_header& header) noexcept
{
    std::memset(out, 0, segment_header_size);
    std::memcpy(out, segment_magic.data(), segment_magic.size());
    store_le(out + 8, segment_version);
    store_le(out + 12, static_cast<std::uint32_t>(segment_header_size));
    std::memcpy(out + 16, header.log.data(), header.log.size());
    store_le(out + 32, header.segment);
    store_le(out + 40, header.first_lsn);
    store_le(out + 48, header.previous_end);
    store_le(out + 56, header.log_created_us);
    store_le(out + 64, header.created_us);
    store_le(
        out + detail::segment_fields_size, crc32c(0, bytes_view(out, detail::segment_fields_size))
    );
}

enum class header_status : std::uint8_t {
    valid,
    unwritten,  // all zero, or the file ends before
    newer,      // of a format that this version does not know
    damaged,
};

struct decoded_header {
    header_status status{header_status::damaged};
    segment_header header;
    std::uint32_t version{0};
};

// `in` is the beginning of a file, up to segment_header_size bytes.
inline decoded_header read_segment_header(bytes_view in) noexcept
{
    constexpr auto fields = detail::segment_fields_size;
    const auto zero = [](std::byte b) { return b == std::byte{0}; };
    decoded_header result;
    if (std::all_of(in.begin(), in.end(), zero)) {
        result.status = header_status::unwritten;
        return result;
    }
    if (in.size() < segment_header_size || as_text(in.first(8)) != segment_magic) return result;
    result.version = load_le<std::uint32_t>(in.data() + 8);
    if (result.version > segment_version) {
        result.status = header_status::newer;
        return result;
    }
    if (load_le<std::uint32_t>(in.data() + fields) != crc32c(0, in.first(fields)) ||
        result.version != segment_version ||
        load_le<std::uint32_t>(in.data() + 12) != segment_header_size ||
        !std::all_of(in.begin() + fields + 4, in.begin() + segment_header_size, zero))
        return result;

    result.status = header_status::valid;
    std::memcpy(result.header.log.data(), in.data() + 16, result.header.log.size());
    result.header.segment = load_le<std::uint64_t>(in.data() + 32);
    result.header.first_lsn = load_le<std::uint64_t>(in.data() + 40);
    result.header.previous_end = load_le<std::uint64_t>(in.data() + 48);
    result.header.log_created_us = load_le<std::int64_t>(in.data() + 56);
    result.header.created_us = load_le<std::int64_t>(in.data() + 64);
    return result;
}

struct segment_name {
    log_id log{};
    std::uint64_t segment{0};
    friend bool operator==(const segment_name&, const segment_name&) = default;
};

inline std::string to_text(const segment_name& name)
{
    static constexpr std::string_view digits = "0123456789abcdef";
    std::string text = "dw-";
    for (const auto byte : name.log) {
        text += digits[std::to_integer<std::size_t>(byte >> 4)];
        text += digits[std::to_integer<std::size_t>(byte & std::byte{15})];
    }
    const auto number = std::to_string(name.segment);
    text += '-';
    if (number.size() < 8) text.append(8 - number.size(), '0');
    return text + number + ".log";
}

// Nothing if `text` is not the name of a segment, spelled as to_text() does it.
inline std::optional<segment_name> parse_segment_name(std::string_view text)
{
    constexpr std::size_t id_begin = 3;
    constexpr std::size_t number_begin = id_begin + 2 * sizeof(log_id) + 1;
    constexpr std::string_view suffix = ".log";
    if (text.size() < number_begin + 8 + suffix.size()) return {};

    segment_name name;
    for (std::size_t i = 0; i < name.log.size(); ++i) {
        const auto* begin = text.data() + id_begin + 2 * i;
        unsigned value = 0;
        if (std::from_chars(begin, begin + 2, value, 16).ptr != begin + 2) return {};
        name.log[i] = static_cast<std::byte>(value);
    }
    const auto* end = text.data() + text.size() - suffix.size();
    if (std::from_chars(text.data() + number_begin, end, name.segment).ptr != end) return {};
    if (name.segment == 0 || to_text(name) != text) return {};
    return name;
}

}  // namespace dualwrite::replication
