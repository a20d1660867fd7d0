#include <dualwrite/copy/token_range.hpp>

#include <limits>
#include <vector>

#include "guard.hpp"

using namespace dualwrite;
using namespace dualwrite::capi;

namespace {

copy::token_range range_of(const dw_token_range& range) noexcept
{
    return {{range.start}, {range.end}};
}

}  // namespace

int dw_token(int64_t* out, const dw_bytes* values, size_t count, dw_error* err)
{
    return guard(err, [&] {
        if (out == nullptr) return null_argument(err, "out");
        if (values == nullptr) return null_argument(err, "values");
        if (count == 0) return report(err, DW_E_INVALID_ARGUMENT, "a key has at least one value");
        std::vector<bytes_view> views;
        for (std::size_t i = 0; i < count; ++i) {
            if (values[i].data == nullptr && values[i].size != 0)
                return null_argument(err, "values[" + std::to_string(i) + "].data");
            if (values[i].size > std::numeric_limits<std::uint16_t>::max())
                return report(err, DW_E_INVALID_ARGUMENT, "a key has at most 65535 bytes");
            views.emplace_back(static_cast<const std::byte*>(values[i].data), values[i].size);
        }
        byte_buffer key;
        copy::append_partition_key(key, views);
        *out = copy::token_of(key.view()).value;
        return DW_OK;
    });
}

int dw_range_contains(uint32_t* out, const dw_token_range* range, int64_t token, dw_error* err)
{
    return guard(err, [&] {
        if (out == nullptr) return null_argument(err, "out");
        if (range == nullptr) return null_argument(err, "range");
        *out = 0;
        for (const auto& linear : copy::unwrap(range_of(*range)))
            if (copy::contains(linear, {token})) *out = 1;
        return DW_OK;
    });
}

int dw_range_split(
    dw_token_range* out,
    size_t capacity,
    size_t* count,
    const dw_token_range* range,
    uint32_t parts,
    dw_error* err
)
{
    return guard(err, [&] {
        if (count == nullptr) return null_argument(err, "count");
        *count = 0;
        if (range == nullptr) return null_argument(err, "range");
        if (parts == 0) return report(err, DW_E_INVALID_ARGUMENT, "parts is 0");
        const auto linear = copy::unwrap(range_of(*range));
        // Each of two halves gets its share, and none of them nothing.
        double total = 0;
        for (const auto& its : linear) total += copy::fraction(its);
        std::vector<dw_token_range> made;
        auto left = parts;
        for (const auto& its : linear) {
            const auto share = static_cast<std::uint32_t>(parts * (copy::fraction(its) / total));
            const auto mine = &its == &linear.back() ? std::max(left, 1u) : std::max(share, 1u);
            for (const auto& part : copy::split(its, mine))
                made.push_back({part.start.value, part.end.value});
            left -= std::min(mine, left);
        }
        *count = made.size();
        if (capacity < made.size())
            return report(
                err, DW_E_INVALID_ARGUMENT, "out has no room for " + std::to_string(made.size())
            );
        if (out == nullptr) return null_argument(err, "out");
        std::copy(made.begin(), made.end(), out);
        return DW_OK;
    });
}

int dw_ranges_cover_ring(uint32_t* out, const dw_token_range* ranges, size_t count, dw_error* err)
{
    return guard(err, [&] {
        if (out == nullptr) return null_argument(err, "out");
        if (ranges == nullptr && count != 0) return null_argument(err, "ranges");
        std::vector<copy::token_range> linear;
        for (std::size_t i = 0; i < count; ++i) linear.push_back(range_of(ranges[i]));
        *out = copy::covers_ring_once(std::move(linear)) ? 1 : 0;
        return DW_OK;
    });
}
