#pragma once

#include <dualwrite/protocol/framing.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernel.hpp"
#include "workload.hpp"

namespace sim {

// An application with one connection to the proxy: asks, waits for the answer, asks again. After a
// lost connection it connects anew; what it had asked is not asked again.
class client final : public endpoint {
public:
    client(kernel& on, std::size_t number, std::uint8_t version, std::vector<operation*> work);

    void start();
    bool is_done() const noexcept { return next_ == work_.size(); }
    const std::string& problem() const noexcept { return problem_; }
    std::function<void(const operation&)> on_end;

private:
    enum class phase : std::uint8_t { away, starting, ready, preparing, asking };

    void on_bytes(link& from, std::string_view bytes) override;
    void on_gone(link& from) override;
    void take(const dualwrite::protocol::envelope_view& in);
    void take_prepared(const dualwrite::protocol::envelope_view& in);
    void take_answer(const dualwrite::protocol::envelope_view& in);
    void connect();
    void go_on();
    void send(dualwrite::protocol::opcode op, const dualwrite::byte_buffer& body);
    bool prepare_missing(const operation& op);
    void ask(operation& op);
    void ask_one(const operation& op, dualwrite::byte_buffer& body);
    void ask_batch(const operation& op, dualwrite::byte_buffer& body);
    void finish(operation::state how);

    kernel& on_;
    std::size_t number_;
    std::uint8_t version_;
    std::vector<operation*> work_;
    std::size_t next_{0};
    phase phase_{phase::away};
    std::shared_ptr<link> line_;
    dualwrite::protocol::envelope_decoder decoder_;
    dualwrite::protocol::envelope_encoder encoder_;
    std::int16_t stream_{0};
    std::uint64_t turn_{0};                        // an event for an earlier one comes too late
    std::map<std::string, std::string> prepared_;  // id by text
    std::string preparing_;
    std::string problem_;
};

}  // namespace sim
