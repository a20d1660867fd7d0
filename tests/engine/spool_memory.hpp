#pragma once

#include <dualwrite/engine/spool_storage.hpp>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

// A disk in memory: it can fail at any call, tells what was done to it, and can be brought to the
// state that a crash after any call would leave.

namespace spool_test {

using dualwrite::bytes_view;
using dualwrite::errc;
using dualwrite::fail;
using dualwrite::mutable_bytes;
using dualwrite::result;

struct disk_file {
    std::vector<std::byte> data;     // what a process sees
    std::vector<std::byte> durable;  // what was there at the last sync
    std::uint64_t syncs{0};          // failed ones too
};

using file_map = std::map<std::string, std::shared_ptr<disk_file>>;

struct disk_call {
    enum class kind { create, write, resize, rename, remove, sync, sync_directory };
    kind what{};
    std::string name;
    std::string to;
    std::shared_ptr<disk_file> file;
    std::uint64_t offset{0};  // of a write, or the new size
    std::vector<std::byte> bytes;
};

class memory_disk {
public:
    // Guarded by `mutex`, for tests with threads.
    mutable std::mutex mutex;
    file_map files;
    file_map durable_files;
    std::vector<file_map> directory_states;  // since the last sync of the directory
    std::vector<disk_call> trace;
    bool tracing{false};
    bool locked{false};

    // The call with this number fails, counted from 1 by `calls`; 0: none.
    std::uint64_t fail_at{0};
    std::uint64_t calls{0};
    std::uint64_t reads{0};
    int fail_errno{EIO};
    bool failed{false};
    bool fail_allocate{false};
    bool fail_syncs{false};
    bool fail_short{true};  // a write that fails has written its first half

    // While it is set, syncs wait.
    bool hold_syncs{false};
    std::condition_variable released;
    void hold(bool on)
    {
        {
            const std::lock_guard lock(mutex);
            hold_syncs = on;
        }
        released.notify_all();
    }

    bool must_fail()
    {
        ++calls;
        if (calls != fail_at) return false;
        failed = true;
        return true;
    }
    dualwrite::failure error() const { return fail({fail_errno, std::generic_category()}); }

    void note(disk_call call)
    {
        if (tracing) trace.push_back(std::move(call));
    }
    void directory_changed() { directory_states.push_back(files); }

    std::vector<std::byte>& data(const std::string& name) { return files.at(name)->data; }

    // As a kill -9 now would leave it: what is not synced is still there, and still not synced.
    std::shared_ptr<memory_disk> copy() const
    {
        const std::lock_guard lock(mutex);
        auto made = std::make_shared<memory_disk>();
        std::map<const disk_file*, std::shared_ptr<disk_file>> copies;
        const auto copy_all = [&](const file_map& names) {
            file_map copied;
            for (const auto& [name, file] : names) {
                auto& known = copies[file.get()];
                if (!known) known = std::make_shared<disk_file>(*file);
                copied[name] = known;
            }
            return copied;
        };
        made->files = copy_all(files);
        made->durable_files = copy_all(durable_files);
        for (const auto& names : directory_states)
            made->directory_states.push_back(copy_all(names));
        return made;
    }

    void put(const std::string& name, std::vector<std::byte> bytes)
    {
        auto file = std::make_shared<disk_file>();
        file->data = file->durable = std::move(bytes);
        files[name] = durable_files[name] = std::move(file);
    }

    // As a loss of power now would leave it: of what was not synced each sector may be there, and
    // of the changes of the directory any number, in their order, but a removal may be undone.
    std::shared_ptr<memory_disk> lose_power(std::mt19937_64& random) const
    {
        const std::lock_guard lock(mutex);
        const auto pick = random() % (directory_states.size() + 1);
        auto names = pick == 0 ? durable_files : directory_states[pick - 1];
        for (const auto& [name, file] : durable_files)
            if (random() % 4 == 0) names.emplace(name, file);
        auto made = std::make_shared<memory_disk>();
        for (const auto& [name, file] : names) made->put(name, torn(*file, random));
        return made;
    }

    static void apply_write(std::vector<std::byte>& data, std::uint64_t offset, bytes_view bytes)
    {
        if (bytes.empty()) return;
        if (data.size() < offset + bytes.size()) data.resize(offset + bytes.size());
        std::memcpy(data.data() + offset, bytes.data(), bytes.size());
    }

private:
    static std::vector<std::byte> torn(const disk_file& file, std::mt19937_64& random)
    {
        static constexpr std::size_t sector = 512;
        const auto keep = random() % 4;  // 0: all, 1: nothing, else: sector by sector
        auto bytes = file.durable;
        if (keep == 0 || (keep > 1 && random() % 2 == 0)) bytes.resize(file.data.size());
        for (std::size_t at = 0; at < std::min(bytes.size(), file.data.size()); at += sector) {
            const auto n = std::min({sector, bytes.size() - at, file.data.size() - at});
            if (keep == 0 || (keep > 1 && random() % 2 == 0))
                std::memcpy(bytes.data() + at, file.data.data() + at, n);
        }
        return bytes;
    }
};

// The state after the first `count` calls, as a kill -9 leaves it; the call after them, if it is a
// write, has written `partial` bytes.
inline std::shared_ptr<memory_disk>
replay(const std::vector<disk_call>& trace, std::size_t count, std::size_t partial = 0)
{
    auto disk = std::make_shared<memory_disk>();
    std::map<const disk_file*, std::shared_ptr<disk_file>> copies;
    const auto copy_of = [&](const disk_call& call) -> disk_file& {
        auto& made = copies[call.file.get()];
        if (!made) made = std::make_shared<disk_file>();
        return *made;
    };
    using kind = disk_call::kind;
    for (std::size_t i = 0; i < count; ++i) {
        const auto& call = trace[i];
        if (call.what == kind::create) {
            copy_of(call).data.clear();
            disk->files[call.name] = copies[call.file.get()];
        }
        if (call.what == kind::write)
            memory_disk::apply_write(copy_of(call).data, call.offset, call.bytes);
        if (call.what == kind::resize) copy_of(call).data.resize(call.offset);
        if (call.what == kind::rename) {
            disk->files[call.to] = disk->files.at(call.name);
            disk->files.erase(call.name);
        }
        if (call.what == kind::remove) disk->files.erase(call.name);
    }
    if (count < trace.size() && trace[count].what == kind::write) {
        const auto& call = trace[count];
        const auto n = std::min(partial, call.bytes.size());
        memory_disk::apply_write(copy_of(call).data, call.offset, bytes_view(call.bytes).first(n));
    }
    return disk;
}

class memory_file final : public dualwrite::engine::spool_file {
public:
    memory_file(std::shared_ptr<memory_disk> disk, std::shared_ptr<disk_file> file)
        : disk_(std::move(disk)), file_(std::move(file))
    {
    }

    result<void> write(std::span<const bytes_view> parts, std::uint64_t offset) override
    {
        const std::lock_guard lock(disk_->mutex);
        std::vector<std::byte> bytes;
        for (const auto part : parts) bytes.insert(bytes.end(), part.begin(), part.end());
        const auto failing = disk_->must_fail();
        if (failing) bytes.resize(disk_->fail_short ? bytes.size() / 2 : 0);
        memory_disk::apply_write(file_->data, offset, bytes);
        disk_->note({disk_call::kind::write, "", "", file_, offset, std::move(bytes)});
        if (failing) return disk_->error();
        return {};
    }

    result<std::size_t> read(mutable_bytes out, std::uint64_t offset) override
    {
        const std::lock_guard lock(disk_->mutex);
        if (disk_->must_fail()) return disk_->error();
        ++disk_->reads;
        if (offset >= file_->data.size()) return std::size_t{0};
        const auto n = std::min<std::size_t>(out.size(), file_->data.size() - offset);
        if (n != 0) std::memcpy(out.data(), file_->data.data() + offset, n);
        return n;
    }

    result<void> allocate(std::uint64_t size, bool) override
    {
        {
            const std::lock_guard lock(disk_->mutex);
            if (disk_->fail_allocate) return disk_->error();
        }
        return resize(size);
    }
    result<void> truncate(std::uint64_t size) override { return resize(size); }

    result<void> sync() override
    {
        std::unique_lock lock(disk_->mutex);
        disk_->released.wait(lock, [this] { return !disk_->hold_syncs; });
        ++file_->syncs;
        if (disk_->must_fail() || disk_->fail_syncs) return disk_->error();
        file_->durable = file_->data;
        disk_->note({disk_call::kind::sync, "", "", file_, 0, {}});
        return {};
    }

    result<std::uint64_t> size() override
    {
        const std::lock_guard lock(disk_->mutex);
        if (disk_->must_fail()) return disk_->error();
        return std::uint64_t{file_->data.size()};
    }

private:
    result<void> resize(std::uint64_t size)
    {
        const std::lock_guard lock(disk_->mutex);
        if (disk_->must_fail()) return disk_->error();
        file_->data.resize(size);
        disk_->note({disk_call::kind::resize, "", "", file_, size, {}});
        return {};
    }

    std::shared_ptr<memory_disk> disk_;
    std::shared_ptr<disk_file> file_;
};

class memory_storage final : public dualwrite::engine::spool_storage {
public:
    explicit memory_storage(std::shared_ptr<memory_disk> disk) : disk_(std::move(disk)) {}
    ~memory_storage() override
    {
        const std::lock_guard lock(disk_->mutex);
        if (owner_) disk_->locked = false;
    }

    result<void> lock(std::int64_t& holder) override
    {
        const std::lock_guard lock(disk_->mutex);
        if (disk_->must_fail()) return disk_->error();
        holder = 4711;
        if (disk_->locked) return fail(errc::spool_locked);
        owner_ = disk_->locked = true;
        return {};
    }

    result<std::vector<std::string>> list() override
    {
        const std::lock_guard lock(disk_->mutex);
        if (disk_->must_fail()) return disk_->error();
        std::vector<std::string> names;
        for (const auto& [name, file] : disk_->files) names.push_back(name);
        return names;
    }

    result<std::unique_ptr<dualwrite::engine::spool_file>>
    open(const std::string& name, dualwrite::engine::open_mode mode) override
    {
        using dualwrite::engine::open_mode;
        const std::lock_guard lock(disk_->mutex);
        if (disk_->must_fail()) return disk_->error();
        const auto known = disk_->files.find(name);
        if (mode == open_mode::read && known == disk_->files.end())
            return fail({ENOENT, std::generic_category()});
        if (known == disk_->files.end() || mode == open_mode::create) {
            disk_->files[name] = std::make_shared<disk_file>();
            disk_->note({disk_call::kind::create, name, "", disk_->files[name], 0, {}});
            disk_->directory_changed();
        }
        return std::unique_ptr<dualwrite::engine::spool_file>(
            std::make_unique<memory_file>(disk_, disk_->files[name])
        );
    }

    result<void> rename(const std::string& from, const std::string& to) override
    {
        const std::lock_guard lock(disk_->mutex);
        if (disk_->must_fail()) return disk_->error();
        disk_->files[to] = disk_->files.at(from);
        disk_->files.erase(from);
        disk_->note({disk_call::kind::rename, from, to, nullptr, 0, {}});
        disk_->directory_changed();
        return {};
    }

    result<void> remove(const std::string& name) override
    {
        const std::lock_guard lock(disk_->mutex);
        if (disk_->must_fail()) return disk_->error();
        if (disk_->files.erase(name) == 0) return fail({ENOENT, std::generic_category()});
        disk_->note({disk_call::kind::remove, name, "", nullptr, 0, {}});
        disk_->directory_changed();
        return {};
    }

    result<void> sync_directory(const std::string&) override
    {
        const std::lock_guard lock(disk_->mutex);
        if (disk_->must_fail()) return disk_->error();
        disk_->durable_files = disk_->files;
        disk_->directory_states.clear();
        disk_->note({disk_call::kind::sync_directory, "", "", nullptr, 0, {}});
        return {};
    }

private:
    std::shared_ptr<memory_disk> disk_;
    bool owner_{false};
};

}  // namespace spool_test
