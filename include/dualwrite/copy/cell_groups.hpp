#pragma once

#include <dualwrite/copy/row.hpp>

#include <algorithm>

namespace dualwrite::copy {

// Atoms that one statement can write: it has one write time and one TTL for all.
struct cell_group {
    std::int64_t writetime_us{0};
    std::int64_t expiry_s{no_expiry};
    std::vector<const atom*> atoms;
};

// Groups the atoms of a row by (write time, expiry), oldest first. Keeps its memory between rows;
// views the atoms.
class cell_groups {
public:
    void assign(std::span<const atom> atoms)
    {
        used_ = 0;
        for (const auto& a : atoms) group_of(a).atoms.push_back(&a);
        std::sort(groups_.begin(), groups_.begin() + static_cast<std::ptrdiff_t>(used_), older);
    }

    std::span<const cell_group> groups() const noexcept { return std::span(groups_).first(used_); }

private:
    static bool older(const cell_group& a, const cell_group& b) noexcept
    {
        if (a.writetime_us != b.writetime_us) return a.writetime_us < b.writetime_us;
        return a.expiry_s < b.expiry_s;
    }

    cell_group& group_of(const atom& a)
    {
        for (std::size_t i = used_; i-- > 0;)
            if (groups_[i].writetime_us == a.writetime_us && groups_[i].expiry_s == a.expiry_s)
                return groups_[i];
        if (used_ == groups_.size()) groups_.emplace_back();
        auto& group = groups_[used_++];
        group.writetime_us = a.writetime_us;
        group.expiry_s = a.expiry_s;
        group.atoms.clear();
        return group;
    }

    std::vector<cell_group> groups_;
    std::size_t used_{0};
};

}  // namespace dualwrite::copy
