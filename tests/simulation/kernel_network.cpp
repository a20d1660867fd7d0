#include <algorithm>

#include "kernel.hpp"

// How bytes get from one end to the other.

namespace sim {

std::int64_t kernel::delay()
{
    return random.between(network.delay_min_us, network.delay_max_us);
}

bool kernel::is_silent(int port) const
{
    const auto found = ports_.find(port);
    return found != ports_.end() && found->second.silent_until_us > now_us_;
}

void kernel::silence(int port, std::int64_t until_us)
{
    ports_[port].silent_until_us = until_us;
}

void kernel::carry_to_other(std::shared_ptr<link> line, std::string bytes)
{
    const auto when = std::max(now_us_ + delay(), line->to_other_us_ + 1);
    line->to_other_us_ = when;
    line->for_other_.push_back(std::move(bytes));
    if (random.chance(network.cut_per_mille))
        at(random.between(now_us_, when + network.delay_max_us), [this, line] { cut(*line); });
    at(when, [this, line] { arrive_at_other(line); });
}

// A silent network keeps what was sent, as TCP does by sending it again.
void kernel::arrive_at_other(std::shared_ptr<link> line)
{
    if (line->told_) return;
    if (is_silent(line->port_))
        return at(ports_[line->port_].silent_until_us, [this, line] { arrive_at_other(line); });
    const auto bytes = std::move(line->for_other_.front());
    line->for_other_.pop_front();
    if (line->other_ != nullptr) line->other_->on_bytes(*line, bytes);
}

// Without bytes: the end.
void kernel::carry_to_process(std::shared_ptr<link> line, std::string bytes)
{
    const auto when = std::max(now_us_ + delay(), line->to_process_us_ + 1);
    line->to_process_us_ = when;
    if (!bytes.empty() && random.chance(network.cut_per_mille))
        at(random.between(now_us_, when), [this, line] { cut(*line); });
    line->for_process_.push_back(std::move(bytes));
    at(when, [this, line] { arrive_at_process(line); });
}

void kernel::arrive_at_process(std::shared_ptr<link> line)
{
    if (is_silent(line->port_))
        return at(ports_[line->port_].silent_until_us, [this, line] { arrive_at_process(line); });
    const auto bytes = std::move(line->for_process_.front());
    line->for_process_.pop_front();
    if (!knows(line->descriptor_)) {
        line->early_ += bytes;
        return;
    }
    auto& its = of(line->descriptor_);
    if (its.line != line || its.reset) return;
    its.received += bytes;
    its.ended |= bytes.empty();
    touch(line->descriptor_);
}

void link::send(std::string bytes)
{
    if (alive_) kernel::current()->carry_to_process(shared_from_this(), std::move(bytes));
}

void link::close()
{
    if (!alive_) return;
    alive_ = false;
    told_ = true;
    kernel::current()->carry_to_process(shared_from_this(), {});
}

// Both ends lose it; what was under way is gone, or the last of it cut short.
void kernel::cut(link& which)
{
    if (!which.alive_) return;
    which.alive_ = false;
    const auto line = which.shared_from_this();
    if (knows(line->descriptor_) && of(line->descriptor_).line == line) {
        of(line->descriptor_).reset = true;
        touch(line->descriptor_);
    }
    tell_gone(line);
}

void kernel::cut_all(int port)
{
    const auto lines = links_;
    for (const auto& weak : lines)
        if (const auto line = weak.lock(); line && line->port_ == port) cut(*line);
    std::erase_if(links_, [](const auto& weak) { return weak.expired(); });
}

void kernel::tell_gone(std::shared_ptr<link> line)
{
    if (line->told_) return;
    line->told_ = true;
    if (line->other_ != nullptr) line->other_->on_gone(*line);
}

std::shared_ptr<link> kernel::connect_to_process(endpoint& from)
{
    if (dead_ || listener_ < 0) return nullptr;
    auto line = std::make_shared<link>();
    line->id_ = next_link_++;
    line->other_ = &from;
    links_.push_back(line);
    of(listener_).pending.push_back(line);
    touch(listener_);
    return line;
}

}  // namespace sim
