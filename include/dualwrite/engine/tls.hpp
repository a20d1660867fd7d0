#pragma once

#include <dualwrite/base/result.hpp>
#include <dualwrite/engine/endpoint.hpp>
#include <dualwrite/engine/transport.hpp>

#include <memory>
#include <string>

namespace dualwrite::engine {

// TLS towards one cluster: authorities, verification, and the sessions kept for resumption.
// Thread-safe: loops and jobs share one.
class tls_client {
public:
    virtual ~tls_client() = default;
    // A session over a connected socket that the transport owns. Blocking or not as the socket is.
    virtual std::unique_ptr<tls_session> session(int fd) = 0;
};

// `why` says what is wrong and which flag mends it.
result<std::shared_ptr<tls_client>> make_tls_client(const endpoint& to, std::string& why);

}
