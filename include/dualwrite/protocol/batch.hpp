#pragma once

#include <dualwrite/protocol/query_parameters.hpp>

#include <iterator>

namespace dualwrite::protocol {

enum class batch_type : std::uint8_t { logged = 0, unlogged = 1, counter = 2 };

// One statement of a BATCH: its text, or the id under which it was prepared.
struct batch_child {
    bool prepared{false};
    std::string_view text{};
    bytes_view id{};
    std::uint16_t value_count{0};
    bytes_view values{};  // raw, without the count; never named (CASSANDRA-10246)
};

namespace detail {

inline batch_child read_batch_child(cursor& in, std::uint8_t version) noexcept
{
    batch_child child;
    const auto kind = in.byte_();
    if (kind > 1) in.set_failed();
    child.prepared = kind == 1;
    if (child.prepared)
        child.id = in.short_bytes();
    else
        child.text = in.long_string();
    child.value_count = in.short_();
    child.values = skip_values(in, child.value_count, false, version);
    return child;
}

}  // namespace detail

// The statements of a batch that parse_batch() has checked, read again on each walk.
class batch_children {
public:
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = batch_child;
        using difference_type = std::ptrdiff_t;
        using pointer = const batch_child*;
        using reference = const batch_child&;

        iterator(bytes_view in, std::size_t left, std::uint8_t version) noexcept
            : in_(in), left_(left), version_(version)
        {
            read();
        }

        reference operator*() const noexcept { return child_; }
        pointer operator->() const noexcept { return &child_; }
        iterator& operator++() noexcept
        {
            --left_;
            read();
            return *this;
        }
        void operator++(int) noexcept { ++*this; }
        friend bool operator==(const iterator& a, const iterator& b) noexcept
        {
            return a.left_ == b.left_;
        }

    private:
        void read() noexcept
        {
            if (left_ != 0) child_ = detail::read_batch_child(in_, version_);
            DW_ASSERT(in_.ok());
        }

        cursor in_;
        std::size_t left_;
        std::uint8_t version_;
        batch_child child_;
    };

    batch_children() = default;
    batch_children(bytes_view in, std::size_t count, std::uint8_t version) noexcept
        : in_(in), count_(count), version_(version)
    {
    }

    std::size_t size() const noexcept { return count_; }
    bool empty() const noexcept { return count_ == 0; }
    bytes_view raw() const noexcept { return in_; }
    iterator begin() const noexcept { return {in_, count_, version_}; }
    iterator end() const noexcept { return {{}, 0, version_}; }

private:
    bytes_view in_{};
    std::size_t count_{0};
    std::uint8_t version_{4};
};

struct batch_view : statement_options {
    batch_type type{batch_type::logged};
    batch_children children;
};

// `body` is that of the envelope and `envelope_flags` say whether a custom payload precedes.
inline result<batch_view>
parse_batch(bytes_view body, std::uint8_t version, std::uint8_t envelope_flags = 0) noexcept
{
    cursor in(body);
    detail::skip_prefix(in, envelope_flags);
    const auto type = in.byte_();
    if (type > static_cast<std::uint8_t>(batch_type::counter)) return fail(errc::malformed);
    const auto count = in.short_();
    const auto begin = in.position();
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) detail::read_batch_child(in, version);
    const auto children = in.since(begin);

    batch_view out;
    // The server reads the whole of a query's parameters here; values and paging mean nothing.
    static_cast<statement_options&>(out) = detail::read_query_parameters(in, version);
    out.type = static_cast<batch_type>(type);
    out.children = {children, count, version};
    if (!in.ok()) return fail(errc::malformed);
    return out;
}

}  // namespace dualwrite::protocol
