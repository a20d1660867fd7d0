#pragma once

#include "fake_cluster.hpp"

namespace dualwrite::test {

// Used by the cluster's thread; other threads read `received` and `sent` under its mutex.
struct fake_cluster::connection {
    std::uint64_t id{0};
    engine::unique_fd fd;
    protocol::envelope_decoder decoder;
    protocol::envelope_encoder encoder;
    bool started{false};
    bool own{false};
    bool segments_next{false};  // from the answer to STARTUP on
    bool lz4{false};
    std::string received;
    std::string sent;
    byte_buffer out;
    std::size_t out_sent{0};
    std::size_t piece{0};
    bool closing{false};  // when everything has left
    bool broken{false};   // to be closed at once
    std::vector<std::pair<protocol::envelope_header, std::string>> gathered;
};

// An answer whose time has not come.
struct fake_cluster::answer {
    std::uint64_t connection{0};
    record request;
    reply how;
};

}  // namespace dualwrite::test
