#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <vector>

#include "random.hpp"

// The operating system as the proxy sees it, for one simulated run: a clock that jumps from event
// to event, sockets whose bytes take their time, epoll, eventfd, timerfd. The linker leads the
// system calls of the real code here (kernel_calls.cpp), so that the code itself is what runs.
//
// One process at a time, one thread. Everything that happens follows from the seed.

namespace sim {

inline constexpr int descriptor_base = 1 << 20;

class link;

// The other end of a connection: a node of a model cluster, or a client.
class endpoint {
public:
    virtual void on_bytes(link& from, std::string_view bytes) = 0;
    virtual void on_gone(link& from) = 0;

protected:
    ~endpoint() = default;
};

// What the network does to bytes.
struct network_settings {
    std::int64_t delay_min_us{50};
    std::int64_t delay_max_us{2000};
    std::int64_t cut_per_mille{0};  // of the chunks that are sent
    std::int64_t partial_write_per_mille{0};
};

// A TCP connection between a descriptor of the process and an endpoint of the model.
class link : public std::enable_shared_from_this<link> {
public:
    // To the process.
    void send(std::string bytes);
    void close();  // by the endpoint: what it has sent still arrives
    bool is_open() const noexcept { return alive_; }
    std::uint64_t id() const noexcept { return id_; }

private:
    friend class kernel;
    endpoint* other_{nullptr};
    int descriptor_{-1};  // -1: the process has not accepted it, or has closed it
    int port_{0};
    std::uint64_t id_{0};
    bool alive_{true};
    bool told_{false};               // the endpoint knows that it is over
    std::int64_t to_process_us_{0};  // when the last bytes arrive
    std::int64_t to_other_us_{0};
    std::deque<std::string> for_process_;  // under way
    std::deque<std::string> for_other_;
    std::string early_;  // arrived before accept()
};

class kernel {
public:
    explicit kernel(std::uint64_t seed);
    ~kernel();
    kernel(const kernel&) = delete;
    static kernel* current() noexcept;

    random_source random;
    network_settings network;
    std::int64_t wall_offset_us{0};
    std::int64_t now_us() const noexcept { return now_us_; }
    std::int64_t wall_us() const noexcept { return now_us_ + wall_offset_us; }

    void at(std::int64_t when_us, std::function<void()> action);
    void after(std::int64_t delay_us, std::function<void()> action)
    {
        at(now_us_ + delay_us, std::move(action));
    }
    // Runs the next event. False: there is none.
    bool step();
    std::uint64_t steps() const noexcept { return steps_; }

    // Servers. While a port is refused, connects fail; while it is silent, nothing passes either
    // way.
    using acceptor = std::function<endpoint*(std::shared_ptr<link>)>;
    void listen(int port, acceptor accept) { ports_[port].accept = std::move(accept); }
    void refuse(int port, bool on) { ports_[port].refused = on; }
    void silence(int port, std::int64_t until_us);
    void cut_all(int port);
    // A client's connection to the process; null: nobody listens.
    std::shared_ptr<link> connect_to_process(endpoint& from);
    void cut(link& which);

    // The process. After kill() none of its calls has an effect any more.
    void start_process() noexcept { dead_ = false; }
    void kill();
    bool is_dead() const noexcept { return dead_; }
    void end_process();             // its objects are gone: so are its descriptors
    std::function<void()> on_send;  // before each
    int listener();
    bool is_ready(int epoll) const;
    std::int64_t deadline_us(int epoll) const;  // what the last wait asked for
    int last_epoll() const noexcept { return last_epoll_; }

    // System calls.
    int make_epoll();
    int make_event();
    int make_timer();
    int make_socket();
    int control(int epoll, int op, int descriptor, const epoll_event* event);
    int wait(int epoll, epoll_event* events, int count, int timeout_ms);
    void set_timer(int descriptor, std::int64_t when_us);  // negative: none
    int connect(int descriptor, int port);
    int connect_error(int descriptor) const;
    int accept(int descriptor);
    long read(int descriptor, void* into, std::size_t size);
    long write(int descriptor, const void* from, std::size_t size);
    void close(int descriptor);

private:
    friend class link;
    enum class kind : std::uint8_t { none, epoll, event, timer, socket, listener };
    struct registration {
        int descriptor;
        std::uint32_t events;
        epoll_data_t data;
        bool touched;
    };
    struct object {
        kernel::kind what{kind::none};
        std::vector<registration> watched;  // epoll
        std::int64_t deadline_us{0};
        std::uint64_t count{0};  // event: its value; timer: set so often
        bool expired{false};
        bool connecting{false};
        int error{0};
        bool ended{false};  // no more bytes will come
        bool reset{false};
        std::string received;
        std::shared_ptr<link> line;
        std::deque<std::shared_ptr<link>> pending;  // listener
    };
    struct port_state {
        acceptor accept;
        bool refused{false};
        std::int64_t silent_until_us{0};
    };
    struct event {
        std::int64_t when_us;
        std::uint64_t number;
        std::function<void()> action;
    };
    struct later {
        bool operator()(const event& a, const event& b) const noexcept
        {
            return a.when_us != b.when_us ? a.when_us > b.when_us : a.number > b.number;
        }
    };

    int add(kind what);
    object& of(int descriptor)
    {
        return objects_[static_cast<std::size_t>(descriptor - descriptor_base)];
    }
    const object& of(int descriptor) const
    {
        return objects_[static_cast<std::size_t>(descriptor - descriptor_base)];
    }
    bool knows(int descriptor) const
    {
        return descriptor >= descriptor_base &&
               static_cast<std::size_t>(descriptor - descriptor_base) < objects_.size() &&
               of(descriptor).what != kind::none;
    }
    std::uint32_t readiness(int descriptor) const;
    void touch(int descriptor);
    std::int64_t delay();
    void carry_to_other(std::shared_ptr<link> line, std::string bytes);
    void carry_to_process(std::shared_ptr<link> line, std::string bytes);
    void arrive_at_other(std::shared_ptr<link> line);
    void arrive_at_process(std::shared_ptr<link> line);
    void tell_gone(std::shared_ptr<link> line);
    bool is_silent(int port) const;

    std::int64_t now_us_{1'700'000'000'000'000};
    std::priority_queue<event, std::vector<event>, later> events_;
    std::uint64_t next_event_{0};
    std::uint64_t steps_{0};
    std::deque<object> objects_;
    std::map<int, port_state> ports_;
    std::vector<std::weak_ptr<link>> links_;
    std::uint64_t next_link_{1};
    int listener_{-1};
    int last_epoll_{-1};
    bool dead_{false};
};

}  // namespace sim
