#include "refresh_partition.hpp"

#include <algorithm>

namespace dualwrite::engine {

using copy::atom;
using copy::row;
using protocol::consistency;

namespace {

// Passes that may write. More are needed only while others write the same rows.
constexpr int passes_max = 4;

// Copies everything that the row views.
owned_row own(const row& from)
{
    owned_row out;
    out.view.at = from.at;
    out.view.has_row = from.has_row;
    out.view.keys = from.keys;
    out.view.statics = from.statics;
    out.view.regulars = from.regulars;
    std::size_t size = from.partition_key.size();
    for (const auto key : from.keys) size += key.size();
    for (const auto* atoms : {&from.statics, &from.regulars})
        for (const auto& a : *atoms) size += a.path.size() + a.value.size();
    out.bytes.reserve(size);
    const auto keep = [&](bytes_view in) {
        const auto begin = out.bytes.size();
        out.bytes.append(in);
        return out.bytes.view().subspan(begin);
    };
    out.view.partition_key = keep(from.partition_key);
    for (auto& key : out.view.keys) key = keep(key);
    for (auto* atoms : {&out.view.statics, &out.view.regulars}) {
        for (auto& a : *atoms) {
            a.path = keep(a.path);
            a.value = keep(a.value);
        }
    }
    return out;
}

std::span<const bytes_view> clustering_of(const copy::table_model& table, const row& r)
{
    return std::span(r.keys).subspan(table.partition_count);
}

bool may_help_again(const cql_failure& why)
{
    if (why.error == make_error_code(errc::unsupported)) return false;
    if (why.error != make_error_code(errc::server_error)) return true;
    return policy::judge_target_error(why.code, why.text, true).action !=
           policy::target_action::permanent;
}

}  // namespace

partition_refresh::partition_refresh(
    cql_cluster& source, cql_cluster& target, const copy::table_model& table, const refresh_key& key
)
    : source_(source), target_(target), table_(table), key_(key)
{
    const bool elements = source.facts().element_times() && target.facts().element_times();
    times_ = elements ? copy::time_support::elements : copy::time_support::cells;
    if (table.counter) times_ = copy::time_support::none;
}

bool partition_refresh::as_a_whole(std::uint32_t column) const
{
    const auto& type = table_.columns[column].type;
    if (!copy::is_multi_cell(type)) return false;
    return type.id == copy::type_id::list || times_ != copy::time_support::elements;
}

std::int64_t partition_refresh::writetime_of(const atom& a) const
{
    return a.writetime_us == copy::no_writetime ? key_.writetime_us : a.writetime_us;
}

refresh_result partition_refresh::failed(std::string why) const
{
    auto out = result_;
    out.status = refresh_status::failed;
    out.why = std::move(why);
    return out;
}

asio::awaitable<refresh_result> partition_refresh::run()
{
    if (key_.partition.size() != table_.partition_count)
        co_return failed("the partition key has another number of columns");
    for (int i = 0; i < passes_max; ++i) {
        const auto status = co_await pass();
        if (status == refresh_status::done) co_return result_;
        if (status == refresh_status::failed) {
            auto out = failed(why_.describe());
            if (may_help_again(why_)) out.status = refresh_status::retry;
            co_return out;
        }
        ++attempt_;
    }
    auto out = failed("the target holds cells that are as new as the source's, or newer");
    out.status = refresh_status::retry;
    co_return out;
}

// The target first: what is about to be deleted or overridden there was there before the source was
// read, so that a write that reached both meanwhile only makes the source look newer.
asio::awaitable<refresh_status> partition_refresh::pass()
{
    rows target;
    rows source;
    if (!co_await load(target_, false, target)) co_return refresh_status::failed;
    if (!co_await load(source_, key_.serial, source)) co_return refresh_status::failed;
    const auto before = result_.writes;
    const row* no_row = nullptr;
    const auto* source_static = source.empty() ? no_row : &source.front().view;
    const auto* target_static = target.empty() ? no_row : &target.front().view;
    if (table_.has_statics() && !co_await mend(source_static, target_static, true))
        co_return refresh_status::failed;

    auto s = source.begin();
    auto t = target.begin();
    const auto skip_static = [](auto& at, const rows& all) {
        while (at != all.end() && !at->view.has_row) ++at;
    };
    for (;;) {
        skip_static(s, source);
        skip_static(t, target);
        if (s == source.end() && t == target.end()) break;
        auto order = std::strong_ordering::equal;
        if (s == source.end())
            order = std::strong_ordering::greater;
        else if (t == target.end())
            order = std::strong_ordering::less;
        else
            order = copy::compare_clustering(
                table_, clustering_of(table_, s->view), clustering_of(table_, t->view)
            );
        ++result_.rows;
        const auto* left = order <= 0 ? &s->view : no_row;
        const auto* right = order >= 0 ? &t->view : no_row;
        if (!co_await mend(left, right, false)) co_return refresh_status::failed;
        if (order <= 0) ++s;
        if (order >= 0) ++t;
    }
    co_return result_.writes == before ? refresh_status::done : refresh_status::retry;
}

asio::awaitable<bool> partition_refresh::load(cql_cluster& from, bool serial, rows& out)
{
    table_reader reader;
    reader.from = &from;
    reader.table = &table_;
    reader.layout = copy::make_row_layout(table_, times_);
    if (serial) reader.level = consistency::local_serial;
    // Static columns do not come with rows that are not there, so all rows are read then.
    const auto prefix = table_.has_statics() ? 0 : key_.clustering.size();
    co_return co_await load_with(
        reader, copy::select_partition_text(table_, reader.layout, prefix), prefix, out
    );
}

asio::awaitable<bool> partition_refresh::load_with(
    table_reader& reader, std::string text, std::size_t clustering_count, rows& out
)
{
    auto statement = co_await reader.from->prepare(std::move(text), why_);
    if (!statement) co_return false;
    protocol::value_list values;
    byte_buffer whole_key;
    std::vector<bytes_view> partition;
    for (const auto& value : key_.partition) partition.push_back(as_bytes(value));
    for (const auto value : partition) values.add(std::optional<bytes_view>(value));
    for (std::size_t i = 0; i < clustering_count; ++i)
        values.add(std::optional<bytes_view>(as_bytes(key_.clustering[i])));
    if (partition.size() > 1)
        copy::append_partition_key(whole_key, partition);
    else
        whole_key.append(partition.front());
    const auto node = reader.from->owner_of(copy::token_of(whole_key.view()));
    page_reader pages(reader, statement, std::move(values), node, now_seconds());
    while (!pages.last()) {
        if (!co_await pages.next(why_)) co_return false;
        row next;
        why_ = {};
        while (pages.read(next, why_)) out.push_back(own(next));
        if (why_) co_return false;
    }
    co_return true;
}

asio::awaitable<bool> partition_refresh::mend(const row* source, const row* target, bool statics)
{
    if (table_.counter) co_return co_await converge(source, target, statics);
    const auto atoms = [&](const row* r) {
        if (r == nullptr) return std::span<const atom>{};
        return std::span<const atom>(statics ? r->statics : r->regulars);
    };
    if (!statics && source == nullptr) co_return co_await delete_row(*target);
    if (!statics && target == nullptr) co_return co_await insert_row(*source);
    if (source == nullptr && target == nullptr) co_return true;
    const auto& key = source != nullptr ? *source : *target;
    co_return co_await mend_cells(key, atoms(source), atoms(target), statics);
}

asio::awaitable<bool> partition_refresh::mend_cells(
    const row& key, std::span<const atom> source, std::span<const atom> target, bool statics
)
{
    std::vector<atom> to_write;
    std::vector<atom> to_delete;
    std::vector<std::uint32_t> whole;
    copy::for_each_pair(table_, source, target, [&](const atom* s, const atom* t) {
        const auto column = s != nullptr ? s->column : t->column;
        const auto& type = table_.columns[column].type;
        if (!copy::compare_atoms(type, s, t, {})) return;
        if (as_a_whole(column)) {
            if (whole.empty() || whole.back() != column) whole.push_back(column);
        } else if (s != nullptr) {
            to_write.push_back(*s);
        } else {
            to_delete.push_back(*t);
        }
    });
    for (const auto& extra : to_delete)
        if (!co_await delete_atom(key, extra)) co_return false;
    if (!to_write.empty() && !co_await write_groups(key, to_write, statics, false)) co_return false;
    for (const auto column : whole)
        if (!co_await overwrite_column(key, column, source, target)) co_return false;
    co_return true;
}

// A row marker cannot be read. The oldest cells bring it, or, where there are none, the write that
// this refresh is for.
asio::awaitable<bool> partition_refresh::insert_row(const row& source)
{
    std::vector<atom> cells;
    for (const auto& a : source.regulars)
        if (!as_a_whole(a.column)) cells.push_back(a);
    if (!co_await write_groups(source, cells, false, true)) co_return false;
    for (std::uint32_t column = 0; column < table_.columns.size(); ++column) {
        const auto& its = table_.columns[column];
        if (its.kind != copy::column_kind::regular || !as_a_whole(column)) continue;
        if (!co_await overwrite_column(source, column, source.regulars, {})) co_return false;
    }
    co_return true;
}

asio::awaitable<bool> partition_refresh::delete_row(const row& target)
{
    auto writetime_us = key_.writetime_us;
    for (const auto& a : target.regulars) writetime_us = std::max(writetime_us, writetime_of(a));
    copy::write_values values;
    values.keys = target.keys;
    values.writetime_us = writetime_us;
    co_return co_await send(copy::make_delete_row(table_), values);
}

asio::awaitable<bool> partition_refresh::write_groups(
    const row& key, std::span<const atom> atoms, bool statics, bool insert_first
)
{
    copy::cell_groups groups;
    std::vector<atom> timed(atoms.begin(), atoms.end());
    for (auto& a : timed) a.writetime_us = writetime_of(a);
    groups.assign(timed);
    const auto now_s = now_seconds();
    copy::write_values values;
    values.keys = key.keys;
    if (insert_first && groups.groups().empty()) {
        values.writetime_us = key_.writetime_us;
        co_return co_await send(copy::make_insert(table_, copy::writetime_in::text), values);
    }
    bool insert = insert_first;
    for (const auto& group : groups.groups()) {
        values.atoms = group.atoms;
        values.writetime_us = group.writetime_us;
        values.ttl_s =
            group.expiry_s == copy::no_expiry
                ? 0
                : static_cast<std::int32_t>(std::max<std::int64_t>(1, group.expiry_s - now_s));
        if (insert && !co_await send(copy::make_insert(table_, copy::writetime_in::text), values))
            co_return false;
        // An INSERT has no elements of multi-cell columns: the UPDATE brings them, and the rest
        // twice.
        const bool elements =
            std::any_of(group.atoms.begin(), group.atoms.end(), [&](const atom* a) {
                return copy::is_multi_cell(table_.columns[a->column].type);
            });
        if ((!insert || elements) &&
            !co_await send(copy::make_update(table_, statics, copy::writetime_in::text), values))
            co_return false;
        insert = false;
    }
    co_return true;
}

asio::awaitable<bool> partition_refresh::delete_atom(const row& key, const atom& extra)
{
    const auto& type = table_.columns[extra.column].type;
    auto scope = copy::delete_scope::column;
    if (copy::is_multi_cell(type))
        scope =
            type.id == copy::type_id::udt ? copy::delete_scope::field : copy::delete_scope::element;
    const atom* atoms[] = {&extra};
    copy::write_values values;
    values.keys = key.keys;
    values.atoms = atoms;
    values.writetime_us = writetime_of(extra);
    co_return co_await send(
        copy::make_delete_cell(table_, extra.column, scope, extra.index), values
    );
}

// Lists, and collections whose elements' times cannot be told. The new value deletes what is there
// with the time just below its own, which is above all that was read at the target, and above what
// an earlier attempt of this refresh may have written.
asio::awaitable<bool> partition_refresh::overwrite_column(
    const row& key, std::uint32_t column, std::span<const atom> source, std::span<const atom> target
)
{
    const auto& its = table_.columns[column];
    std::vector<atom> atoms;
    auto writetime_us = std::int64_t{0};
    for (const auto& a : source) {
        if (a.column != column) continue;
        atoms.push_back(a);
        writetime_us = std::max(writetime_us, writetime_of(a));
    }
    bool there = false;
    for (const auto& a : target) {
        if (a.column != column) continue;
        there = true;
        writetime_us = std::max(writetime_us, writetime_of(a) + (atoms.empty() ? 0 : 1));
    }
    if (atoms.empty() && !there) co_return true;
    writetime_us = std::max(writetime_us, key_.writetime_us) + attempt_;
    copy::write_values values;
    values.keys = key.keys;
    values.writetime_us = writetime_us;
    if (atoms.empty())
        co_return co_await send(
            copy::make_delete_cell(table_, column, copy::delete_scope::column), values
        );
    const auto name = copy::cql_identifier(its.name);
    const auto now_s = now_seconds();
    // Elements of one expiry at a time, in order: the first replaces, the others are appended.
    for (std::size_t begin = 0; begin < atoms.size();) {
        auto end = begin + 1;
        while (end < atoms.size() && atoms[end].expiry_s == atoms[begin].expiry_s) ++end;
        std::vector<const atom*> part;
        for (auto i = begin; i < end; ++i) part.push_back(&atoms[i]);
        copy::write_statement statement;
        statement.text = "UPDATE " + table_.cql_name() + " USING TTL ? AND TIMESTAMP ? SET " +
                         name + " = " + (begin == 0 ? "?" : name + " + ?");
        statement.markers = {
            {copy::marker_kind::ttl},
            {copy::marker_kind::writetime},
            {copy::marker_kind::elements, column}};
        const auto keys =
            its.kind == copy::column_kind::static_ ? table_.partition_count : table_.key_count();
        for (std::uint32_t i = 0; i < keys; ++i) {
            statement.text += (i == 0 ? " WHERE " : " AND ") +
                              copy::cql_identifier(table_.columns[i].name) + " = ?";
            statement.markers.push_back({copy::marker_kind::key, i});
        }
        values.atoms = part;
        values.ttl_s =
            atoms[begin].expiry_s == copy::no_expiry
                ? 0
                : static_cast<std::int32_t>(std::max<std::int64_t>(1, atoms[begin].expiry_s - now_s)
                  );
        if (!co_await send(statement, values)) co_return false;
        begin = end;
    }
    co_return true;
}

// target += source - target. Not repeatable: without a clear answer both are read again first.
asio::awaitable<bool>
partition_refresh::converge(const row* source, const row* target, bool statics)
{
    if (source == nullptr) {
        why_ = {
            .error = errc::unsupported,
            .code = 0,
            .text = "a counter that the source has deleted",
            .write_type = {}};
        co_return statics;
    }
    const auto& mine = statics ? source->statics : source->regulars;
    std::vector<atom> deltas = mine;
    std::vector<std::array<std::byte, 8>> bytes(deltas.size());
    bool any = false;
    for (std::size_t i = 0; i < deltas.size(); ++i) {
        std::int64_t value =
            deltas[i].value.size() == 8 ? load_be<std::int64_t>(deltas[i].value.data()) : 0;
        if (target != nullptr)
            for (const auto& a : statics ? target->statics : target->regulars)
                if (a.column == deltas[i].column && a.value.size() == 8)
                    value -= load_be<std::int64_t>(a.value.data());
        any |= value != 0;
        store_be(bytes[i].data(), value);
        deltas[i].value = bytes[i];
    }
    if (!any) co_return true;
    std::vector<const atom*> atoms;
    for (const auto& a : deltas)
        if (load_be<std::int64_t>(a.value.data()) != 0) atoms.push_back(&a);
    copy::write_values values;
    values.keys = source->keys;
    values.atoms = atoms;
    const auto statement = copy::make_counter_update(table_, statics);
    byte_buffer bound;
    copy::value_binder::bind(table_, statement, values, bound);
    result_.cells_sent += atoms.size();
    ++result_.writes;
    co_return co_await send_once(
        statement.text, std::move(bound), static_cast<std::uint16_t>(statement.markers.size())
    );
}

asio::awaitable<bool>
partition_refresh::send(const copy::write_statement& statement, const copy::write_values& values)
{
    auto prepared = co_await target_.prepare(statement.text, why_);
    if (!prepared) co_return false;
    byte_buffer bound;
    copy::value_binder::bind(table_, statement, values, bound);
    protocol::write_parameters parameters;
    parameters.values = bound.view();
    parameters.value_count = static_cast<std::uint16_t>(statement.markers.size());
    ++result_.writes;
    result_.cells_sent += std::max<std::size_t>(values.atoms.size(), 1);
    const auto node = std::uint32_t{0};
    const auto reply = co_await target_.execute(prepared, parameters, node, why_);
    co_return reply.has_value();
}

asio::awaitable<bool>
partition_refresh::send_once(std::string text, byte_buffer values, std::uint16_t count)
{
    auto prepared = co_await target_.prepare(std::move(text), why_);
    if (!prepared) co_return false;
    const auto connection = target_.connection(0);
    if (!connection) {
        why_ = {.error = errc::connection_lost, .code = 0, .text = "target", .write_type = {}};
        co_return false;
    }
    protocol::write_parameters parameters;
    parameters.values = values.view();
    parameters.value_count = count;
    byte_buffer body;
    protocol::append_execute_body(
        body,
        connection->version(),
        prepared->id.view(),
        prepared->result_metadata_id.view(),
        parameters
    );
    const auto reply = co_await ask(
        connection, protocol::opcode::execute, std::move(body), target_.request_limit(), why_
    );
    co_return reply.has_value();
}

}  // namespace dualwrite::engine
