#pragma once

#include <dualwrite/protocol/envelope.hpp>
#include <dualwrite/protocol/primitives.hpp>

#include <bit>
#include <cmath>
#include <optional>

namespace dualwrite::protocol {

// What a request has cost, in request units: Azure Cosmos DB says it in the custom payload of each
// answer, "RequestCharge", a big-endian double. Nothing: it does not say, or no number that counts.
inline std::optional<double> request_charge(std::uint8_t flags, bytes_view body) noexcept
{
    if ((flags & flag_custom_payload) == 0) return std::nullopt;
    cursor in(body);
    if ((flags & flag_tracing) != 0) in.raw(16);
    if ((flags & flag_warning) != 0)
        for (auto n = in.short_(); n > 0 && in.ok(); --n) in.string();
    for (auto n = in.short_(); n > 0 && in.ok(); --n) {
        const bool is_charge = in.string() == "RequestCharge";
        const auto value = in.bytes();
        if (!is_charge || !in.ok() || !value || value->size() != sizeof(double)) continue;
        const auto units = std::bit_cast<double>(load_be<std::uint64_t>(value->data()));
        if (std::isfinite(units) && units >= 0) return units;
    }
    return std::nullopt;
}

}  // namespace dualwrite::protocol
