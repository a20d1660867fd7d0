#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cluster_link.hpp"
#include "proxy_shared.hpp"

namespace dualwrite::engine {

// The replicator's connections of one loop to one side, `size` to each node. Connects again for
// ever, with growing delays. Threads: the loop's.
class link_pool final : private link_owner {
public:
    // `wake` is called when a link has become ready.
    link_pool(
        loop& on, proxy_shared& shared, bool source, std::size_t size, std::function<void()> wake
    );

    // Connects what is not connected; from now on and with every tick.
    void tick();
    // The link with the fewest requests on it that has room; null: none. All of a turn go to one.
    cluster_link* pick() noexcept;
    bool any_ready() const noexcept;
    std::size_t ready_count() const noexcept;
    void flush();
    // Requests that wait for flush().
    bool has_unsent() const noexcept;
    std::size_t unsent_size() const noexcept;
    // The source's pool is needed for re-driving only, so it connects when it is.
    void set_wanted(bool wanted) noexcept { wanted_ = wanted; }
    void close();

private:
    struct slot {
        std::unique_ptr<cluster_link> link;
        std::string node;  // its name
        std::uint32_t attempts{0};
        std::int64_t next_try_ms{0};
        std::uint8_t version{5};  // to begin with
        std::size_t address{0};
        login user;                    // of the last connect
        std::uint64_t logins_seen{0};  // proxy_shared::logins_version() at that time
    };

    void on_link_ready(cluster_link& link) override;
    void on_link_down(cluster_link& link, const std::string& why, std::uint8_t version) override;
    void follow_nodes();
    const cluster_node* node_of(const slot& which) const noexcept;
    void connect(slot& which);
    std::string label(const slot& which) const;
    std::string refused_login(slot& which, const std::string& why);
    slot& slot_of(cluster_link& link) noexcept;
    const endpoint& where() const noexcept;
    const char* side() const noexcept { return source_ ? "source" : "target"; }

    loop& loop_;
    proxy_shared& shared_;
    bool source_;
    bool wanted_{true};
    std::function<void()> wake_;
    std::size_t size_;
    std::vector<cluster_node> nodes_;
    std::uint64_t nodes_seen_{0};  // proxy_shared::nodes_version() at that time
    std::vector<slot> slots_;
    std::size_t next_{0};  // of links that are as busy as each other, each in its turn
    std::uint64_t random_{88172645463325252ull};
};

}  // namespace dualwrite::engine
