#pragma once

#include <dualwrite/protocol/batch.hpp>
#include <dualwrite/protocol/query_parameters.hpp>

namespace dualwrite::protocol {

// Bodies of the requests that we send ourselves.

inline constexpr std::int32_t prepare_flag_keyspace = 0x01;

// Raw values in the form that `write_parameters` and the batch take.
class value_list {
public:
    void add(const bound_value& value)
    {
        append_value(bytes_, value);
        ++count_;
    }
    void add(std::optional<bytes_view> value)
    {
        append_bytes(bytes_, value);
        ++count_;
    }
    void add_unset() { add(bound_value::unset()); }
    void add_named(std::string_view name, const bound_value& value)
    {
        append_string(bytes_, name);
        add(value);
    }
    void clear() noexcept
    {
        bytes_.clear();
        count_ = 0;
    }

    bytes_view bytes() const noexcept { return bytes_.view(); }
    std::uint16_t count() const noexcept
    {
        DW_ASSERT(count_ <= 0xffff);
        return static_cast<std::uint16_t>(count_);
    }

private:
    byte_buffer bytes_;
    std::size_t count_{0};
};

struct write_parameters {
    protocol::consistency consistency{protocol::consistency::local_quorum};
    std::uint16_t value_count{0};
    bool named_values{false};
    bytes_view values{};  // raw, names included, without the count
    bool skip_metadata{false};
    std::optional<std::int32_t> page_size{};
    std::optional<bytes_view> paging_state{};
    std::optional<protocol::consistency> serial_consistency{};
    std::optional<std::int64_t> timestamp_us{};
    std::optional<std::string_view> keyspace{};    // version 5 only: asserted, never left out
    std::optional<std::int32_t> now_in_seconds{};  // left out below version 5
};

// The same parameters for another envelope, perhaps of another version.
inline write_parameters to_write_parameters(const query_parameters& in) noexcept
{
    return {
        .consistency = in.consistency,
        .value_count = in.value_count,
        .named_values = in.named_values,
        .values = in.values,
        .skip_metadata = (in.flags & query_flag::skip_metadata) != 0,
        .page_size = in.page_size,
        .paging_state = in.paging_state,
        .serial_consistency = in.serial_consistency,
        .timestamp_us = in.timestamp_us,
        .keyspace = in.keyspace,
        .now_in_seconds = in.now_in_seconds,
    };
}

namespace detail {

inline std::uint32_t flags_of(const write_parameters& p, std::uint8_t version) noexcept
{
    std::uint32_t flags = 0;
    const auto set = [&](bool present, std::uint32_t flag) { flags |= present ? flag : 0; };
    set(p.value_count != 0, query_flag::values);
    set(p.value_count != 0 && p.named_values, query_flag::names);
    set(p.skip_metadata, query_flag::skip_metadata);
    set(p.page_size.has_value(), query_flag::page_size);
    set(p.paging_state.has_value(), query_flag::paging_state);
    set(p.serial_consistency.has_value(), query_flag::serial_consistency);
    set(p.timestamp_us.has_value(), query_flag::timestamp);
    set(p.keyspace.has_value(), query_flag::keyspace);
    set(version >= 5 && p.now_in_seconds.has_value(), query_flag::now_in_seconds);
    return flags;
}

inline void append_parameters(byte_buffer& out, std::uint8_t version, const write_parameters& p)
{
    DW_ASSERT(version >= 5 || !p.keyspace);
    const auto flags = flags_of(p, version);
    append_consistency(out, p.consistency);
    if (version >= 5)
        append_int(out, static_cast<std::int32_t>(flags));
    else
        append_byte(out, static_cast<std::uint8_t>(flags));

    if (p.value_count != 0) {
        append_short(out, p.value_count);
        out.append(p.values);
    }
    if (p.page_size) append_int(out, *p.page_size);
    if (p.paging_state) append_bytes(out, p.paging_state);
    if (p.serial_consistency) append_consistency(out, *p.serial_consistency);
    if (p.timestamp_us) append_long(out, *p.timestamp_us);
    if (p.keyspace) append_string(out, *p.keyspace);
    if ((flags & query_flag::now_in_seconds) != 0) append_int(out, *p.now_in_seconds);
}

}  // namespace detail

inline void append_startup_body(byte_buffer& out, const string_map& options)
{
    append_string_map(out, options);
}

inline void append_query_body(
    byte_buffer& out, std::uint8_t version, std::string_view text, const write_parameters& p
)
{
    append_long_string(out, text);
    detail::append_parameters(out, version, p);
}

// `keyspace` needs version 5.
inline void append_prepare_body(
    byte_buffer& out,
    std::uint8_t version,
    std::string_view text,
    std::optional<std::string_view> keyspace = std::nullopt
)
{
    DW_ASSERT(version >= 5 || !keyspace);
    append_long_string(out, text);
    if (version < 5) return;
    append_int(out, keyspace ? prepare_flag_keyspace : 0);
    if (keyspace) append_string(out, *keyspace);
}

// `result_metadata_id` is written in version 5 only, which always has it.
inline void append_execute_body(
    byte_buffer& out,
    std::uint8_t version,
    bytes_view id,
    bytes_view result_metadata_id,
    const write_parameters& p
)
{
    append_short_bytes(out, id);
    if (version >= 5) append_short_bytes(out, result_metadata_id);
    detail::append_parameters(out, version, p);
}

inline void append_register_body(byte_buffer& out, std::span<const std::string_view> events)
{
    append_string_list(out, events);
}

inline void append_auth_response_body(byte_buffer& out, std::optional<bytes_view> token)
{
    append_bytes(out, token);
}

// Writes a BATCH body statement by statement: begin, add..., finish.
class batch_builder {
public:
    batch_builder(byte_buffer& out, std::uint8_t version, batch_type type)
        : out_(out), version_(version)
    {
        append_byte(out_, static_cast<std::uint8_t>(type));
        count_at_ = out_.size();
        append_short(out_, 0);
    }

    void add_query(std::string_view text, std::uint16_t value_count = 0, bytes_view values = {})
    {
        append_byte(out_, 0);
        append_long_string(out_, text);
        add_values(value_count, values);
    }

    void add_prepared(bytes_view id, std::uint16_t value_count, bytes_view values)
    {
        append_byte(out_, 1);
        append_short_bytes(out_, id);
        add_values(value_count, values);
    }

    std::size_t count() const noexcept { return count_; }

    // Of `p`, values, paging and skip_metadata do not apply to a batch and must not be set.
    void finish(const write_parameters& p)
    {
        DW_ASSERT(p.value_count == 0 && !p.page_size && !p.paging_state && !p.skip_metadata);
        DW_ASSERT(count_ <= 0xffff);
        store_be(out_.data() + count_at_, static_cast<std::uint16_t>(count_));
        detail::append_parameters(out_, version_, p);
    }

private:
    void add_values(std::uint16_t value_count, bytes_view values)
    {
        append_short(out_, value_count);
        out_.append(values);
        ++count_;
    }

    byte_buffer& out_;
    std::uint8_t version_;
    std::size_t count_at_{0};
    std::size_t count_{0};
};

}  // namespace dualwrite::protocol
