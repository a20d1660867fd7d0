#pragma once

#include <dualwrite/copy/table_model.hpp>

#include <array>
#include <cstdio>
#include <memory>

#include "validate_recheck.hpp"

namespace dualwrite::engine {

// The differences that were found: counted all, written down the first ones, one JSON object a line
// (docs/operations.md). The key of a row is in it, because nobody could act on it otherwise; no
// other value is.
class validate_report {
public:
    // False: `why` says what is wrong with the file.
    bool open(const std::string& path, std::uint64_t lines_max, std::string& why);

    void add(const copy::table_model& table, const row_difference& found);
    // False: the file could not be written completely.
    bool close();

    std::uint64_t count(copy::difference_kind kind) const noexcept
    {
        return counts_[static_cast<std::size_t>(kind)];
    }
    std::uint64_t total() const noexcept { return total_; }
    std::uint64_t in_statics() const noexcept { return statics_; }
    std::uint64_t unsettled() const noexcept { return unsettled_; }
    // Rows for which a dry run knows what to write.
    std::uint64_t would_repair() const noexcept { return would_repair_; }
    const std::string& path() const noexcept { return path_; }

private:
    struct closer {
        void operator()(std::FILE* file) const noexcept { std::fclose(file); }
    };

    std::string path_;
    std::unique_ptr<std::FILE, closer> file_;
    std::uint64_t lines_max_{0};
    bool write_failed_{false};
    std::array<std::uint64_t, 5> counts_{};  // by kind, one for each row
    std::uint64_t total_{0};
    std::uint64_t statics_{0};
    std::uint64_t unsettled_{0};
    std::uint64_t would_repair_{0};
};

}  // namespace dualwrite::engine
