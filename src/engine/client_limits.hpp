#pragma once

#include <dualwrite/engine/transport.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <mutex>
#include <netinet/in.h>
#include <sys/resource.h>

namespace dualwrite::engine {

// How many clients there are, in total and by address. Threads: any.
class client_limits {
public:
    using address = std::array<std::byte, 16>;  // IPv4 mapped into IPv6

    enum class verdict : std::uint8_t { admitted, too_many, too_many_of_address };

    static address address_of(const sockaddr_storage& peer) noexcept
    {
        address out{};
        if (peer.ss_family == AF_INET6) {
            const auto& its = reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr;
            std::memcpy(out.data(), &its, sizeof its);
        } else {
            const auto& its = reinterpret_cast<const sockaddr_in&>(peer).sin_addr;
            out[10] = out[11] = std::byte{0xff};
            std::memcpy(out.data() + 12, &its, sizeof its);
        }
        return out;
    }

    // 0: no limit. What was admitted must leave().
    verdict enter(const address& from, std::uint64_t total_max, std::uint64_t address_max)
    {
        const std::lock_guard lock(mutex_);
        if (total_max != 0 && total_ >= total_max) return verdict::too_many;
        auto& its = by_address_[from];
        if (address_max != 0 && its >= address_max) return verdict::too_many_of_address;
        ++its;
        ++total_;
        return verdict::admitted;
    }

    void leave(const address& from)
    {
        const std::lock_guard lock(mutex_);
        --total_;
        const auto found = by_address_.find(from);
        if (--found->second == 0) by_address_.erase(found);
    }

    // Each client takes two files, and the spool and the links must still get theirs.
    static std::uint64_t allowed_by_open_files() noexcept
    {
        constexpr std::uint64_t reserve = 128;
        rlimit limit{};
        if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return 0;
        const std::uint64_t files = limit.rlim_cur;
        return std::max<std::uint64_t>(files > reserve ? (files - reserve) / 2 : 0, 16);
    }

private:
    std::mutex mutex_;
    std::uint64_t total_{0};
    std::map<address, std::uint64_t> by_address_;
};

}  // namespace dualwrite::engine
