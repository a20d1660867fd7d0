#pragma once

#include <dualwrite/protocol/types.hpp>

#include <iterator>
#include <string>
#include <vector>

namespace dualwrite::protocol {

struct column_spec {
    std::string keyspace;
    std::string table;
    std::string name;
    cql_type type;

    friend bool operator==(const column_spec&, const column_spec&) = default;
};

namespace rows_flag {
inline constexpr std::uint32_t global_table_spec = 0x01;
inline constexpr std::uint32_t has_more_pages = 0x02;
inline constexpr std::uint32_t no_metadata = 0x04;
inline constexpr std::uint32_t metadata_changed = 0x08;  // version 5
}  // namespace rows_flag

struct rows_metadata {
    std::uint32_t flags{0};
    std::uint32_t column_count{0};
    std::optional<bytes_view> paging_state;     // there is a next page
    std::optional<bytes_view> new_metadata_id;  // replaces the one that EXECUTE sent
    std::vector<column_spec> columns;           // empty with the flag no_metadata

    bool has_columns() const noexcept { return (flags & rows_flag::no_metadata) == 0; }
};

// Null is not the same as no bytes.
using cell = std::optional<bytes_view>;

// One row: its cells in order. Valid as long as the body of the message.
class row_view {
public:
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = cell;
        using difference_type = std::ptrdiff_t;
        using pointer = const cell*;
        using reference = const cell&;

        explicit iterator(const std::byte* at) noexcept : at_(at) {}
        cell operator*() const noexcept { return cell_at(at_); }
        iterator& operator++() noexcept
        {
            at_ = after(at_);
            return *this;
        }
        void operator++(int) noexcept { ++*this; }
        friend bool operator==(const iterator&, const iterator&) = default;

    private:
        const std::byte* at_;
    };

    row_view(bytes_view raw, std::size_t cell_count) noexcept : raw_(raw), cell_count_(cell_count)
    {
    }

    std::size_t size() const noexcept { return cell_count_; }
    bytes_view raw() const noexcept { return raw_; }
    iterator begin() const noexcept { return iterator(raw_.data()); }
    iterator end() const noexcept { return iterator(raw_.data() + raw_.size()); }

    // Walks from the beginning: use read() or the iterator to see many cells.
    cell operator[](std::size_t index) const noexcept
    {
        DW_ASSERT(index < cell_count_);
        auto at = begin();
        for (; index > 0; --index) ++at;
        return *at;
    }

    // Replaces the content of `cells`; a vector that is reused stops allocating.
    void read(std::vector<cell>& cells) const { cells.assign(begin(), end()); }

    // Of cells that have been checked.
    static cell cell_at(const std::byte* at) noexcept
    {
        const auto n = load_be<std::int32_t>(at);
        if (n < 0) return std::nullopt;
        return bytes_view(at + 4, static_cast<std::size_t>(n));
    }
    static const std::byte* after(const std::byte* at) noexcept
    {
        const auto n = load_be<std::int32_t>(at);
        return at + 4 + (n < 0 ? 0 : n);
    }

private:
    bytes_view raw_;
    std::size_t cell_count_;
};

// RESULT of kind Rows, checked as a whole by parse_rows(): walking it cannot fail.
class rows_view {
public:
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = row_view;
        using difference_type = std::ptrdiff_t;
        using pointer = const row_view*;
        using reference = const row_view&;

        iterator(const std::byte* at, std::size_t rows_left, std::size_t cells) noexcept
            : at_(at), rows_left_(rows_left), cells_(cells)
        {
        }
        row_view operator*() const noexcept
        {
            return {{at_, static_cast<std::size_t>(next() - at_)}, cells_};
        }
        iterator& operator++() noexcept
        {
            at_ = next();
            --rows_left_;
            return *this;
        }
        void operator++(int) noexcept { ++*this; }
        friend bool operator==(const iterator& a, const iterator& b) noexcept
        {
            return a.rows_left_ == b.rows_left_;
        }

    private:
        const std::byte* next() const noexcept
        {
            const auto* at = at_;
            for (std::size_t i = 0; i < cells_; ++i) at = row_view::after(at);
            return at;
        }

        const std::byte* at_;
        std::size_t rows_left_;
        std::size_t cells_;
    };

    rows_view(
        rows_metadata metadata,
        const std::vector<column_spec>* supplied,
        bytes_view content,
        std::size_t row_count
    )
        : metadata_(std::move(metadata)), supplied_(supplied), content_(content),
          row_count_(row_count)
    {
    }

    const rows_metadata& metadata() const noexcept { return metadata_; }

    // Those of the message or, where it has none, the ones supplied to parse_rows().
    const std::vector<column_spec>& columns() const noexcept
    {
        return supplied_ != nullptr && !metadata_.has_columns() ? *supplied_ : metadata_.columns;
    }
    std::optional<std::size_t> find_column(std::string_view name) const noexcept
    {
        for (std::size_t i = 0; i < columns().size(); ++i)
            if (columns()[i].name == name) return i;
        return std::nullopt;
    }

    std::size_t size() const noexcept { return row_count_; }
    bool empty() const noexcept { return row_count_ == 0; }
    iterator begin() const noexcept { return {content_.data(), row_count_, cells()}; }
    iterator end() const noexcept { return {nullptr, 0, cells()}; }
    row_view front() const noexcept
    {
        DW_ASSERT(!empty());
        return *begin();
    }

private:
    std::size_t cells() const noexcept { return metadata_.column_count; }

    rows_metadata metadata_;
    const std::vector<column_spec>* supplied_;
    bytes_view content_;
    std::size_t row_count_;
};

namespace detail {

inline std::vector<column_spec> read_columns(cursor& in, std::uint32_t flags, std::uint32_t count)
{
    std::vector<column_spec> out;
    const auto global = (flags & rows_flag::global_table_spec) != 0;
    std::string_view keyspace, table;
    // With no column there is no table either, whatever the flag says.
    if (global && (count != 0 || in.remaining().size() >= 4)) {
        keyspace = in.string();
        table = in.string();
    }
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
        if (!global) {
            keyspace = in.string();
            table = in.string();
        }
        const auto name = in.string();
        auto type = read_type(in);
        out.push_back(
            {std::string(keyspace), std::string(table), std::string(name), std::move(type)}
        );
    }
    return out;
}

inline std::uint32_t read_count(cursor& in) noexcept
{
    const auto count = in.int_();
    if (count < 0) in.set_failed();
    return in.ok() ? static_cast<std::uint32_t>(count) : 0;
}

inline rows_metadata read_rows_metadata(cursor& in)
{
    rows_metadata out;
    out.flags = static_cast<std::uint32_t>(in.int_());
    out.column_count = read_count(in);
    if ((out.flags & rows_flag::has_more_pages) != 0) out.paging_state = in.bytes();
    if ((out.flags & rows_flag::metadata_changed) != 0) out.new_metadata_id = in.short_bytes();
    if (out.has_columns()) out.columns = read_columns(in, out.flags, out.column_count);
    return out;
}

}  // namespace detail

// `message` is the body behind the prefix, the kind included. `supplied`: the columns that PREPARED
// announced, used where the message has none; it must outlive the view and have as many columns.
inline result<rows_view>
parse_rows(bytes_view message, const std::vector<column_spec>* supplied = nullptr)
{
    cursor in(message);
    if (in.int_() != 2) return fail(errc::unexpected_message);
    auto metadata = detail::read_rows_metadata(in);
    const auto row_count = detail::read_count(in);
    if (!in.ok()) return fail(errc::malformed);
    if (supplied != nullptr && !metadata.has_columns() && supplied->size() != metadata.column_count)
        return fail(errc::malformed);
    // Rows of nothing would be walked for ever without a byte being read.
    if (metadata.column_count == 0 && row_count != 0) return fail(errc::malformed);

    const auto begin = in.position();
    for (std::uint64_t cells = std::uint64_t{row_count} * metadata.column_count; cells > 0;
         --cells) {
        in.bytes();
        if (!in.ok()) return fail(errc::malformed);
    }
    return rows_view(std::move(metadata), supplied, in.since(begin), row_count);
}

// What a lightweight transaction answered; empty for rows that are no such answer.
inline std::optional<bool> is_applied(const rows_view& rows) noexcept
{
    if (rows.empty() || rows.columns().empty()) return std::nullopt;
    const auto& column = rows.columns().front();
    if (column.name != "[applied]" || column.type.id != type_id::boolean) return std::nullopt;
    const auto value = rows.front()[0];
    if (!value || value->size() != 1) return std::nullopt;
    return (*value)[0] != std::byte{0};
}

}  // namespace dualwrite::protocol
