#pragma once

#include <dualwrite/base/result.hpp>
#include <dualwrite/engine/unique_fd.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace dualwrite::engine {

// Serves what an operator looks at, over plain HTTP on threads of its own:
//
//     /metrics       Prometheus exposition format 0.0.4
//     /status.json   one JSON object
//     /healthz       200 while the process lives
//     /readyz        200 when it can serve, else 503
//     /              what there is
//
// Nothing can be changed through it. Threads: any. The destructor stops it.
class status_http {
public:
    // Called on the server's threads.
    struct handlers {
        std::function<std::string()> metrics_text;
        std::function<std::string()> status_json;
        std::function<bool()> ready;
    };

    // Port 0: a free one. A socket that listens already is used instead. On failure `why` says what
    // to do.
    static result<std::unique_ptr<status_http>> start(
        const std::string& host,
        std::uint16_t port,
        handlers from,
        std::string& why,
        unique_fd listener = {}
    );

    virtual ~status_http() = default;
    virtual std::uint16_t port() const noexcept = 0;
    // A descriptor of one's own for the socket that it listens on.
    virtual unique_fd copy_of_listener() const = 0;
};

}  // namespace dualwrite::engine
