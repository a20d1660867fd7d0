#pragma once

#include <dualwrite/copy/token_range.hpp>

#include <map>
#include <vector>

// What is done and what is left, by interval and not by index: a run may be resumed with another
// number of ranges, after the ring changed, or by other workers.

namespace dualwrite::copy {

// Disjoint linear ranges; neighbours are merged.
class range_set {
public:
    // Tokens of `linear` that were in the set already are not an error: see overlap().
    void add(const token_range& linear)
    {
        DW_ASSERT(!linear.wraps());
        auto start = linear.start;
        auto end = linear.end;
        auto at = ranges_.upper_bound(end);
        while (at != ranges_.begin()) {
            const auto before = std::prev(at);
            if (before->second < start) break;
            start = std::min(start, before->first);
            end = std::max(end, before->second);
            at = ranges_.erase(before);
        }
        ranges_.emplace(start, end);
    }

    // The parts of `linear` that are not in the set, in order.
    std::vector<token_range> missing_from(const token_range& linear) const
    {
        DW_ASSERT(!linear.wraps());
        std::vector<token_range> out;
        auto from = linear.start;
        auto at = ranges_.upper_bound(from);
        if (at != ranges_.begin()) --at;
        for (; at != ranges_.end() && at->first < linear.end; ++at) {
            if (at->second <= from) continue;
            if (at->first > from) out.push_back({from, at->first});
            from = at->second;
        }
        if (from < linear.end) out.push_back({from, linear.end});
        return out;
    }

    // True when at least one token of `linear` is in the set.
    bool overlaps(const token_range& linear) const
    {
        std::uint64_t left = 0;
        for (const auto& range : missing_from(linear)) left += width(range);
        return left != width(linear);
    }

    bool covers_ring() const
    {
        return ranges_.size() == 1 && ranges_.begin()->first == token_min &&
               ranges_.begin()->second == token_max;
    }

    // Share of the ring that is in the set.
    double done_fraction() const
    {
        double sum = 0;
        for (const auto& [start, end] : ranges_) sum += fraction({start, end});
        return sum;
    }

    std::vector<token_range> ranges() const
    {
        std::vector<token_range> out;
        for (const auto& [start, end] : ranges_) out.push_back({start, end});
        return out;
    }

private:
    std::map<token, token> ranges_;  // start -> end
};

inline range_set complement(const range_set& of)
{
    range_set out;
    for (const auto& range : of.missing_from(whole_ring)) out.add(range);
    return out;
}

inline range_set intersection(const range_set& a, const range_set& b)
{
    auto outside = complement(a);
    for (const auto& range : complement(b).ranges()) outside.add(range);
    return complement(outside);
}

// Of the planned ranges, what is not done yet; each piece keeps what it was planned with.
template <class Planned>
std::vector<Planned> remaining(const std::vector<Planned>& plan, const range_set& done)
{
    std::vector<Planned> out;
    for (const auto& planned : plan)
        for (const auto& piece : done.missing_from(planned.range)) {
            out.push_back(planned);
            out.back().range = piece;
        }
    return out;
}

}  // namespace dualwrite::copy
