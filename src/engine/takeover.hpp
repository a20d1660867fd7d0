#pragma once

#include <dualwrite/base/result.hpp>
#include <dualwrite/engine/unique_fd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dualwrite::engine {

// One proxy takes the place of another on the same state directory, without a refused connection.
//
// They talk over a SOCK_SEQPACKET socket, `takeover` in the state directory; one word a packet:
//
//     next one            running one
//     take      ->                       it has read its configuration and could serve
//               <-        clients        with descriptors of listening sockets, several times
//               <-        metrics        with one
//               <-        all            from here on both own the sockets: clients queue in them
//               <-        free           its clients are answered, the spool is closed
//     serving   ->                       the running one ends
//
// The spool has one owner at each moment, guarded by its lock. Whoever loses the other one goes on
// alone: the next one with the sockets as soon as the lock is free, the running one by starting
// again on its own descriptors. So nothing that was acknowledged depends on either of them.

// Listening sockets, open in two processes at once.
struct listening_sockets {
    std::vector<unique_fd> clients;
    unique_fd metrics;  // none: no metrics port

    bool empty() const noexcept { return clients.empty() && !metrics; }
    // Descriptors of one's own for the same sockets.
    listening_sockets copy() const;
};

// The side of the next one.
class takeover {
public:
    // Asks the proxy that runs on `state_dir`. Empty: there is none that could be asked.
    static result<std::optional<takeover>> ask(const std::string& state_dir, std::string& why);

    listening_sockets sockets;

    // Waits until the spool is free, or the running one gone.
    result<void> wait_until_free(std::string& why);
    // Says that clients are served.
    void serving() noexcept;

private:
    explicit takeover(unique_fd peer) : peer_(std::move(peer)) {}
    // False: it went away without a word.
    result<bool> receive_sockets(std::string& why);

    unique_fd peer_;
};

// The side of the running one: the socket that the next one comes to. The spool's owner makes it
// anew, whatever lies there.
result<unique_fd> listen_for_takeover(const std::string& state_dir);
void forget_takeover(const std::string& state_dir) noexcept;

// One who has come and wants to take over.
class takeover_peer {
public:
    // Empty: nobody with the right to it, or nobody who says so within a second.
    static std::optional<takeover_peer> accept(int listener);

    std::int64_t process() const noexcept { return process_; }
    // False: it is gone.
    bool give(const listening_sockets& sockets);
    bool say_free();
    // False: it is gone. Empty: it has not come to it within the limit.
    std::optional<bool> is_serving(std::int64_t limit_ms);
    bool is_gone();

private:
    takeover_peer(unique_fd fd, std::int64_t process) : fd_(std::move(fd)), process_(process) {}

    unique_fd fd_;
    std::int64_t process_;
};

}  // namespace dualwrite::engine
