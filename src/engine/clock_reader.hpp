#pragma once

#include "link_pool.hpp"

namespace dualwrite::engine {

// Asks the source what its clock says, once a second, as soon as clients use lightweight
// transactions: those get their write times from that clock. Threads: the loop's.
class clock_reader final : private link_user {
public:
    clock_reader(loop& on, proxy_shared& shared, link_pool& source) noexcept
        : on_(on), shared_(shared), source_(source)
    {
    }

    bool wants_source() const noexcept { return shared_.marks.any(); }
    void tick();

private:
    void on_answer(
        cluster_link& from,
        const link_request& request,
        const protocol::envelope_header& header,
        bytes_view message
    ) override;
    void on_lost(const link_request&) override { asked_ = false; }
    void on_prepared(std::uint64_t) override {}

    loop& on_;
    proxy_shared& shared_;
    link_pool& source_;
    bool asked_{false};
    std::int64_t next_ms_{0};
};

}  // namespace dualwrite::engine
