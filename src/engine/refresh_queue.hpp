#pragma once

#include <dualwrite/engine/cql_client.hpp>
#include <dualwrite/engine/refresh.hpp>
#include <dualwrite/policy/outcome.hpp>

#include <algorithm>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace dualwrite::engine {

// A refresh that has not begun, and who waits for it.
struct pending_refresh {
    refresh_key key;
    std::vector<std::function<void(refresh_result)>> waiting;
};

// The requests for one partition. They run one after another, also those of different rows: lists
// and counters must have one writer.
struct partition_queue {
    std::string name;
    std::deque<pending_refresh> pending;
    bool running{false};
};

inline std::string queue_name(const refresh_key& key)
{
    std::string out = key.keyspace + '\0' + key.table;
    for (const auto& part : key.partition) out += '\0' + std::to_string(part.size()) + ':' + part;
    return out;
}

// Joins one that asks for the same and has not begun. False: it stands alone, and is appended.
inline bool
add_to(partition_queue& queue, refresh_key key, std::function<void(refresh_result)> done)
{
    const auto same =
        std::find_if(queue.pending.begin(), queue.pending.end(), [&](const pending_refresh& other) {
            return other.key.clustering == key.clustering;
        });
    if (same == queue.pending.end()) {
        queue.pending.push_back({std::move(key), {}});
        queue.pending.back().waiting.push_back(std::move(done));
        return false;
    }
    same->key.serial |= key.serial;
    same->key.if_gone &= key.if_gone;
    same->key.writetime_us = std::max(same->key.writetime_us, key.writetime_us);
    same->waiting.push_back(std::move(done));
    return true;
}

inline refresh_result retry_because(std::string why)
{
    refresh_result out;
    out.status = refresh_status::retry;
    out.why = std::move(why);
    return out;
}

// A failure that another attempt may not have.
inline bool may_pass(const cql_failure& failure)
{
    if (failure.error == make_error_code(errc::unsupported)) return false;
    if (failure.error != make_error_code(errc::server_error)) return true;
    return policy::judge_target_error(failure.code, failure.text, true).action !=
           policy::target_action::permanent;
}

inline refresh_result result_of(const cql_failure& failure)
{
    refresh_result out;
    if (!failure) return out;
    out.status = may_pass(failure) ? refresh_status::retry : refresh_status::failed;
    out.why = failure.describe();
    return out;
}

}  // namespace dualwrite::engine
