#include "workload.hpp"

#include "values.hpp"

namespace sim {

namespace {

using form = operation::form;

bound number(std::int64_t value)
{
    return {true, false, int_bytes(value)};
}
bound null()
{
    return {};
}
bound unset()
{
    return {false, true, {}};
}
bound ints(const std::vector<std::int64_t>& values, std::size_t count)
{
    std::vector<std::string> parts;
    for (const auto value : values) parts.push_back(int_bytes(value));
    return {true, false, collection_bytes(parts, count)};
}

class generator {
public:
    generator(random_source& random, const workload_settings& settings, std::int64_t begin_us)
        : random_(random), settings_(settings), begin_us_(begin_us)
    {
        for (std::size_t i = 0; i < settings.clients; ++i)
            skew_us_.push_back(random.between(-2'000'000, 2'000'000));
    }

    operation next(std::size_t client)
    {
        op_ = {};
        op_.client = client;
        op_.pause_us = random_.below(random_.chance(300) ? 50 : settings_.pause_max_us);
        std::vector<int> kinds;
        if (settings_.replayed) kinds.insert(kinds.end(), 4, 0);
        if (settings_.transactions) kinds.insert(kinds.end(), 2, 1);
        if (settings_.lists) kinds.push_back(2);
        if (settings_.counters) kinds.push_back(3);
        switch (kinds[static_cast<std::size_t>(random_.below(static_cast<int>(kinds.size())))]) {
        case 1:
            mixed();
            break;
        case 2:
            list();
            break;
        case 3:
            counter();
            break;
        default:
            plain();
        }
        const auto how = random_.below(10);
        op_.how = how < 6 ? form::prepared : how < 8 ? form::values : form::text;
        if (op_.how == form::text)
            for (const auto& step : op_.steps)
                for (const auto& value : step.values)
                    if (value.unset) op_.how = form::prepared;
        return op_;
    }

private:
    // Few keys: what is written meets what was written.
    std::int64_t key() { return random_.below(3); }
    std::int64_t fresh()
    {
        op_.numbers.push_back(++last_number_);
        return last_number_;
    }
    bound maybe(std::int64_t null_per_mille, std::int64_t unset_per_mille)
    {
        if (random_.chance(null_per_mille)) return null();
        if (random_.chance(unset_per_mille)) return unset();
        return number(fresh());
    }

    // Appends " USING ..." and the values that go with it.
    void using_clause(write_step& step, bool ttl)
    {
        ttl = ttl && settings_.ttls && random_.chance(350);
        const bool time = op_.time_in_text;
        if (!ttl && !time) return;
        step.text += " USING ";
        if (ttl) {
            step.text += "TTL ?";
            step.values.push_back(
                number(random_.chance(700) ? random_.between(1, 8) : random_.between(100, 90'000))
            );
        }
        if (ttl && time) step.text += " AND ";
        if (!time) return;
        step.text += "TIMESTAMP ?";
        step.values.push_back({true, false, long_bytes(client_time())});
    }
    std::int64_t client_time()
    {
        return begin_us_ + skew_us_[op_.client] + random_.below(20'000'000);
    }

    void plain()
    {
        if (settings_.client_times) {
            if (random_.chance(80)) op_.time_us = client_time();
            op_.time_in_text = random_.chance(80);
        }
        const bool batch = random_.chance(150);
        op_.logged = random_.chance(500);
        for (auto left = batch ? random_.between(1, 4) : 1; left > 0; --left)
            op_.steps.push_back(plain_step());
    }

    write_step plain_step()
    {
        switch (random_.below(9)) {
        case 0:
        case 1:
            return insert_step();
        case 2:
            return delete_step();
        case 3:
            return element_step();
        case 4:
            return static_step();
        case 5:
            return cells_step();
        default:
            return update_step();
        }
    }

    write_step insert_step()
    {
        write_step step{"INSERT INTO ks.plain (p, c, a, b, s) VALUES (?, ?, ?, ?, ?)", {}};
        step.values = {number(key()), number(key()), maybe(100, 150)};
        step.values.push_back(
            random_.chance(200) ? unset() : bound{true, false, "x" + std::to_string(key())}
        );
        step.values.push_back(random_.chance(500) ? unset() : ints({key(), key() + 3}, 2));
        using_clause(step, true);
        return step;
    }

    write_step update_step()
    {
        write_step step{"UPDATE ks.plain", {}};
        using_clause(step, true);
        step.text += " SET a = ? WHERE p = ? AND c = ?";
        step.values.push_back(maybe(150, 50));
        add_key(step);
        return step;
    }

    write_step static_step()
    {
        write_step step{"UPDATE ks.plain", {}};
        using_clause(step, true);
        step.text += " SET st = ? WHERE p = ?";
        step.values.push_back(maybe(150, 0));
        step.values.push_back(number(key()));
        return step;
    }

    // Elements of sets and maps.
    write_step element_step()
    {
        write_step step{"UPDATE ks.plain", {}};
        using_clause(step, true);
        switch (random_.below(5)) {
        case 0:
            step.text += " SET s = s + ?";
            step.values.push_back(ints({key()}, 1));
            break;
        case 1:
            step.text += " SET s = s - ?";
            step.values.push_back(ints({key()}, 1));
            break;
        case 2:
            step.text += " SET m[?] = ?";
            step.values.push_back(number(key()));
            step.values.push_back(maybe(250, 0));
            break;
        case 3:
            step.text += " SET m = ?";
            step.values.push_back(ints({key(), fresh()}, 1));
            break;
        default:
            step.text += " SET m = m + ?";
            step.values.push_back(ints({key(), fresh()}, 1));
        }
        step.text += " WHERE p = ? AND c = ?";
        add_key(step);
        return step;
    }

    write_step delete_step()
    {
        write_step step{"DELETE FROM ks.plain", {}};
        using_clause(step, false);
        step.text += " WHERE p = ?";
        step.values.push_back(number(key()));
        switch (random_.below(4)) {
        case 0:
            return step;  // the partition
        case 1:
            step.text += " AND c >= ? AND c < ?";
            step.values.push_back(number(key()));
            step.values.push_back(number(key() + 1));
            return step;
        default:
            step.text += " AND c = ?";
            step.values.push_back(number(key()));
            return step;
        }
    }

    write_step cells_step()
    {
        static const char* const what[] = {"a", "b", "s", "m", "m[1]", "s[1]"};
        write_step step{std::string("DELETE ") + what[random_.below(6)] + " FROM ks.plain", {}};
        using_clause(step, false);
        step.text += " WHERE p = ? AND c = ?";
        add_key(step);
        return step;
    }

    void add_key(write_step& step)
    {
        step.values.push_back(number(key()));
        step.values.push_back(number(key()));
    }

    // The table of lightweight transactions, which plain writes go to as well.
    void mixed()
    {
        const auto kind = random_.below(8);
        op_.transaction = kind < 5;
        // A clock that is behind. One that is ahead hides the transactions after it on both sides.
        if (!op_.transaction && settings_.client_times && random_.chance(200))
            op_.time_us = begin_us_ - random_.below(2'000'000);
        write_step step;
        switch (kind) {
        case 0:
            step.text = "INSERT INTO ks.mixed (p, c, a) VALUES (?, ?, ?) IF NOT EXISTS";
            add_key(step);
            step.values.push_back(number(fresh()));
            break;
        case 1:
            step.text = "UPDATE ks.mixed SET a = ? WHERE p = ? AND c = ? IF EXISTS";
            step.values.push_back(maybe(200, 0));
            add_key(step);
            break;
        case 2:
            step.text = "UPDATE ks.mixed SET a = ?, b = ? WHERE p = ? AND c = ? IF a = ?";
            step.values = {maybe(0, 0), maybe(400, 0)};
            add_key(step);
            step.values.push_back(null());
            break;
        case 3:
            step.text = "DELETE FROM ks.mixed WHERE p = ? AND c = ? IF EXISTS";
            add_key(step);
            break;
        case 4:
            step.text = "DELETE a FROM ks.mixed WHERE p = ? AND c = ? IF EXISTS";
            add_key(step);
            break;
        case 5:
            step.text = "INSERT INTO ks.mixed (p, c, b) VALUES (?, ?, ?)";
            add_key(step);
            step.values.push_back(number(fresh()));
            break;
        default:
            step.text = "UPDATE ks.mixed SET b = ? WHERE p = ? AND c = ?";
            step.values.push_back(maybe(200, 0));
            add_key(step);
        }
        op_.steps.push_back(std::move(step));
    }

    void list()
    {
        write_step step;
        switch (random_.below(6)) {
        case 0:
            step.text = "UPDATE ks.lists SET l = ? WHERE p = ?";
            step.values.push_back(ints({fresh(), fresh()}, 2));
            break;
        case 1:
            step.text = "UPDATE ks.lists SET l = ? + l WHERE p = ?";
            step.values.push_back(ints({fresh()}, 1));
            break;
        case 2:
            step.text = "DELETE l FROM ks.lists WHERE p = ?";
            break;
        case 3:
            step.text = "UPDATE ks.lists SET v = ? WHERE p = ?";
            step.values.push_back(maybe(200, 0));
            break;
        default:
            step.text = "UPDATE ks.lists SET l = l + ? WHERE p = ?";
            step.values.push_back(ints({fresh()}, 1));
        }
        step.values.push_back(number(key()));
        op_.steps.push_back(std::move(step));
    }

    void counter()
    {
        write_step step{"UPDATE ks.counts SET n = n + ? WHERE p = ?", {}};
        if (random_.chance(300)) step.text = "UPDATE ks.counts SET o = o - ? WHERE p = ?";
        step.values = {{true, false, long_bytes(random_.between(1, 9))}, number(key())};
        op_.steps.push_back(std::move(step));
        op_.counter = true;
    }

    random_source& random_;
    const workload_settings& settings_;
    std::int64_t begin_us_;
    std::vector<std::int64_t> skew_us_;  // of each client's clock
    std::int64_t last_number_{1000};
    operation op_;
};

std::string literal(const bound& value, bool text, bool map, bool list)
{
    if (!value.present) return value.unset ? "unset" : "null";
    if (text) return "'" + value.bytes + "'";
    if (value.bytes.size() == 4 || (value.bytes.size() == 8 && !map))
        return std::to_string(number_of(value.bytes));
    std::string out = list ? "[" : "{";
    for (const auto& [first, second] : elements_of(value.bytes, map)) {
        if (out.size() > 1) out += ", ";
        out += std::to_string(number_of(first));
        if (map) out += ": " + std::to_string(number_of(second));
    }
    return out + (list ? "]" : "}");
}

}  // namespace

std::vector<operation>
make_workload(random_source& random, const workload_settings& settings, std::int64_t begin_us)
{
    generator from(random, settings, begin_us);
    std::vector<operation> out;
    for (std::size_t i = 0; i < settings.operations; ++i)
        for (std::size_t client = 0; client < settings.clients; ++client) {
            out.push_back(from.next(client));
            out.back().number = out.size() - 1;
        }
    return out;
}

std::string in_text(const write_step& step)
{
    std::string out;
    std::size_t next = 0;
    for (const char c : step.text) {
        if (c != '?') {
            out += c;
            continue;
        }
        const auto& value = step.values[next++];
        const bool map = value.bytes.size() > 8 && step.text.find(" m ") != step.text.npos &&
                         step.text.find(" s ") == step.text.npos;
        const bool list = step.text.find("ks.lists") != step.text.npos;
        const bool text = !value.bytes.empty() && value.bytes[0] == 'x';
        out += literal(value, text, map, list);
    }
    return out;
}

std::string describe(const operation& op)
{
    std::string out = "client " + std::to_string(op.client) + ": ";
    if (op.steps.size() > 1) out += op.logged ? "BATCH: " : "UNLOGGED BATCH: ";
    for (std::size_t i = 0; i < op.steps.size(); ++i)
        out += (i == 0 ? "" : "; ") + in_text(op.steps[i]);
    static const char* const forms[] = {" (prepared)", " (values)", " (text)"};
    out += forms[static_cast<int>(op.how)];
    if (op.time_us) out += " at the client's " + std::to_string(*op.time_us);
    static const char* const states[] = {"not sent", "no answer", "done", "refused", "lost"};
    out += std::string(" -> ") + states[static_cast<int>(op.what)];
    if (op.error != 0) out += " (error " + std::to_string(op.error) + ")";
    if (op.transaction && op.what == operation::state::done && !op.applied) out += ", not applied";
    return out;
}

}  // namespace sim
