#pragma once

#include <array>

#include "proxy_status.hpp"

namespace dualwrite::engine {

// What the loops count, in the order of docs/operations.md: once in JSON, once for Prometheus.
struct proxy_number {
    enum class kind : std::uint8_t { gauge, counter, gauge_ms };

    const char* name;    // in the status
    const char* metric;  // what Prometheus wants in seconds is in seconds there
    const char* help;
    kind is;
    std::uint64_t proxy_totals::*value;
};

inline constexpr auto proxy_numbers = [] {
    using enum proxy_number::kind;
    using all = proxy_totals;
    return std::to_array<proxy_number>({
        {"clients", "dualwrite_clients", "Connections of clients", gauge, &all::clients},
        {"clients_accepted",
         "dualwrite_clients_accepted_total",
         "Connections of clients so far",
         counter,
         &all::clients_total},
        {"clients_refused",
         "dualwrite_clients_refused_total",
         "Connections of clients beyond the limits",
         counter,
         &all::clients_refused},
        {"clients_expired",
         "dualwrite_clients_expired_total",
         "Connections of clients that were closed by a deadline",
         counter,
         &all::clients_expired},
        {"requests", "dualwrite_requests_total", "Requests of clients", counter, &all::requests},
        {"writes",
         "dualwrite_writes_total",
         "Writes that went into the spool",
         counter,
         &all::writes},
        {"writes_applied",
         "dualwrite_writes_applied_total",
         "Writes that the source has",
         counter,
         &all::writes_applied},
        {"writes_void",
         "dualwrite_writes_void_total",
         "Writes that the source refused",
         counter,
         &all::writes_void},
        {"writes_unknown",
         "dualwrite_writes_unknown_total",
         "Writes whose outcome the source left open",
         counter,
         &all::writes_unknown},
        {"redriven",
         "dualwrite_redriven_total",
         "Writes sent to the source again",
         counter,
         &all::redriven},
        {"refused",
         "dualwrite_refused_total",
         "Writes refused by a limit of the spool",
         counter,
         &all::refused},
        {"degraded",
         "dualwrite_degraded_total",
         "Writes of which only the rows were recorded because the spool was full",
         counter,
         &all::degraded},
        {"slowed",
         "dualwrite_slowed_total",
         "Times that a client was slowed down by the spool",
         counter,
         &all::slowed},
        {"replicated",
         "dualwrite_replicated_total",
         "Writes that the target acknowledged",
         counter,
         &all::replicated},
        {"refreshed",
         "dualwrite_refreshed_total",
         "Writes delivered by reading the state of the source",
         counter,
         &all::refreshed},
        {"target_errors",
         "dualwrite_target_errors_total",
         "Errors of the target",
         counter,
         &all::target_errors},
        {"target_retries",
         "dualwrite_target_retries_total",
         "Deliveries put off to be tried again",
         counter,
         &all::target_retries},
        {"waits_given_up",
         "dualwrite_waits_given_up_total",
         "Answers that did not wait for the target any longer",
         counter,
         &all::waits_given_up},
        {"memory_waits",
         "dualwrite_memory_waits_total",
         "Large requests that waited for room in memory",
         counter,
         &all::memory_waits},
        {"left_out",
         "dualwrite_left_out_total",
         "Statements that --filter-tables or --tables-... keep at the source",
         counter,
         &all::left_out},
        {"backlog",
         "dualwrite_backlog",
         "Writes that the target has not acknowledged",
         gauge,
         &all::backlog},
        {"oldest_age_ms",
         "dualwrite_oldest_age_seconds",
         "Age of the oldest write in delivery",
         gauge_ms,
         &all::oldest_age_ms},
        {"lag_ms",
         "dualwrite_lag_seconds",
         "From acceptance to the acknowledgement of the target, last write",
         gauge_ms,
         &all::lag_ms},
        {"target_connections",
         "dualwrite_target_connections",
         "Connections to the target",
         gauge,
         &all::target_connections},
    });
}();

}  // namespace dualwrite::engine
