#pragma once

#include <dualwrite/engine/spool_storage.hpp>

#include <functional>
#include <memory>

#include "../engine/spool_memory.hpp"

namespace sim {

// The disk of the spool's tests, with a say before every call: a process may end there.
class watched_storage final : public dualwrite::engine::spool_storage {
public:
    // `before` is told the bytes that a write is about to write, 0 for other calls.
    using watcher = std::function<void()>;

    watched_storage(std::shared_ptr<spool_test::memory_disk> disk, watcher before)
        : inner_(std::move(disk)), before_(std::move(before))
    {
    }

    dualwrite::result<void> lock(std::int64_t& holder) override { return inner_.lock(holder); }
    dualwrite::result<std::vector<std::string>> list() override { return inner_.list(); }
    dualwrite::result<std::unique_ptr<dualwrite::engine::spool_file>>
    open(const std::string& name, dualwrite::engine::open_mode mode) override
    {
        before_();
        auto opened = inner_.open(name, mode);
        if (!opened) return dualwrite::fail(opened.error());
        return std::unique_ptr<dualwrite::engine::spool_file>(
            std::make_unique<file>(std::move(*opened), before_)
        );
    }
    dualwrite::result<void> rename(const std::string& from, const std::string& to) override
    {
        before_();
        return inner_.rename(from, to);
    }
    dualwrite::result<void> remove(const std::string& name) override
    {
        before_();
        return inner_.remove(name);
    }
    dualwrite::result<void> sync_directory(const std::string& name) override
    {
        before_();
        return inner_.sync_directory(name);
    }

private:
    class file final : public dualwrite::engine::spool_file {
    public:
        file(std::unique_ptr<dualwrite::engine::spool_file> inner, watcher before)
            : inner_(std::move(inner)), before_(std::move(before))
        {
        }
        dualwrite::result<void>
        write(std::span<const dualwrite::bytes_view> parts, std::uint64_t offset) override
        {
            before_();
            return inner_->write(parts, offset);
        }
        dualwrite::result<std::size_t>
        read(dualwrite::mutable_bytes out, std::uint64_t offset) override
        {
            return inner_->read(out, offset);
        }
        dualwrite::result<void> allocate(std::uint64_t size, bool zero_fill) override
        {
            before_();
            return inner_->allocate(size, zero_fill);
        }
        dualwrite::result<void> truncate(std::uint64_t size) override
        {
            before_();
            return inner_->truncate(size);
        }
        dualwrite::result<void> sync() override
        {
            before_();
            return inner_->sync();
        }
        dualwrite::result<std::uint64_t> size() override { return inner_->size(); }

    private:
        std::unique_ptr<dualwrite::engine::spool_file> inner_;
        watcher before_;
    };

    spool_test::memory_storage inner_;
    watcher before_;
};

}  // namespace sim
