#pragma once

#include <cstdint>
#include <sqlite3.h>
#include <string>

namespace dualwrite::engine {

// One prepared statement; finalized at the end of its scope.
class statement {
public:
    statement(sqlite3* database, const char* sql)
    {
        sqlite3_prepare_v2(database, sql, -1, &handle_, nullptr);
    }
    ~statement() { sqlite3_finalize(handle_); }
    statement(const statement&) = delete;

    statement& bind(const std::string& text)
    {
        const auto size = static_cast<int>(text.size());
        sqlite3_bind_text(handle_, ++bound_, text.data(), size, SQLITE_TRANSIENT);
        return *this;
    }
    statement& bind(std::int64_t number)
    {
        sqlite3_bind_int64(handle_, ++bound_, number);
        return *this;
    }
    statement& bind(std::uint64_t number) { return bind(static_cast<std::int64_t>(number)); }

    // True: there is a row. An error ends the rows: see failed().
    bool step()
    {
        last_ = handle_ == nullptr ? SQLITE_ERROR : sqlite3_step(handle_);
        return last_ == SQLITE_ROW;
    }
    bool failed() const noexcept { return last_ != SQLITE_ROW && last_ != SQLITE_DONE; }
    std::int64_t number(int column) const { return sqlite3_column_int64(handle_, column); }
    std::uint64_t count(int column) const { return static_cast<std::uint64_t>(number(column)); }
    std::string text(int column) const
    {
        const auto* bytes = sqlite3_column_text(handle_, column);
        return bytes == nullptr ? std::string() : reinterpret_cast<const char*>(bytes);
    }

private:
    sqlite3_stmt* handle_{nullptr};
    int bound_{0};
    int last_{SQLITE_DONE};
};

}  // namespace dualwrite::engine
