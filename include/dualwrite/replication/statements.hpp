#pragma once

#include <dualwrite/base/bytes.hpp>
#include <dualwrite/policy/addresses.hpp>
#include <dualwrite/policy/evaluate.hpp>
#include <dualwrite/policy/rewrite.hpp>
#include <dualwrite/policy/statement.hpp>
#include <dualwrite/policy/table_selection.hpp>
#include <dualwrite/replication/row_effect.hpp>
#include <dualwrite/replication/write_plan.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace dualwrite::replication {

// Lets maps of std::string be searched by std::string_view without a copy.
struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept
    {
        return std::hash<std::string_view>{}(text);
    }
};

// One statement's text with all that does not change from one execution to the next.
struct statement {
    std::uint32_t id{0};      // dense within its registry
    std::string keyspace;     // the connection's; empty: none
    std::string text;         // as the client wrote it
    std::string target_text;  // independent of the connection's keyspace
    std::string table;        // "keyspace.table" for reports; a batch: of its first child
    policy::statement_facts facts;
    replication::decision decision;
    row_effect effect;
    std::vector<policy::hidden_marker> hidden;  // markers that the client does not know of
    // Of a batch whose tables are not all selected: what is left of it. `facts` and `text` are of
    // the whole; everything else here is of the part.
    std::optional<policy::batch_part> part;

    // Every write of it carries its own write time, so that none has to be given.
    bool timestamp_in_text{false};
    bool has_ttl{false};
    bool tells_addresses{false};  // its rows name nodes of the source
    bool chosen{false};           // out of the spool: no filter and no selection is asked
    bool stays{false};            // at the source, because they said so
    bool source_times{false};     // the source gives its writes their times
    bool is_pass() const noexcept { return decision.what == plan::pass; }
};

inline std::string table_name(const policy::statement_facts& facts, const std::string& keyspace)
{
    const auto& named = facts.children.empty() ? facts : facts.children.front();
    const auto& where = named.qualified ? named.keyspace : keyspace;
    if (named.table.empty()) return where;
    return where + "." + named.table;
}

inline bool has_ttl(const policy::statement_facts& facts)
{
    if (facts.using_ttl) return true;
    return std::any_of(facts.children.begin(), facts.children.end(), has_ttl);
}

// A timestamp marker may be left unset, so only a literal makes the default timestamp useless.
inline bool timestamp_in_text(const policy::statement_facts& facts)
{
    if (facts.timestamp_us) return true;
    return !facts.children.empty() &&
           std::all_of(facts.children.begin(), facts.children.end(), timestamp_in_text);
}

// What the source's schema says about it.
inline void apply_shapes(statement& its, const table_shapes& shapes)
{
    const auto apply = [&](const policy::statement_facts& facts, std::string_view text) {
        its.decision = decide(facts, its.keyspace, shapes);
        its.effect = effect_of(facts, text, its.keyspace, shapes);
    };
    if (its.part)
        apply(policy::classify(its.part->text), its.part->text);
    else
        apply(its.facts, its.text);
}

// What goes to the target: all of it, or a part of a batch.
inline void
set_target_side(statement& its, const policy::statement_facts& facts, std::string_view text)
{
    its.target_text = policy::qualify(text, facts, its.keyspace);
    its.table = table_name(facts, its.keyspace);
    its.has_ttl = has_ttl(facts);
    its.timestamp_in_text = timestamp_in_text(facts);
}

inline statement make_statement(
    std::string_view keyspace,
    std::string_view text,
    const table_shapes& shapes,
    const policy::table_selection& selection = {}
)
{
    statement out;
    out.keyspace = keyspace;
    out.text = text;
    out.facts = policy::classify(text);
    out.hidden = policy::hidden_markers(text);
    out.tells_addresses = policy::tells_addresses(out.facts);
    if (!selection.empty())
        out.part = policy::selected_part(
            policy::without_hidden_comment(text), out.facts, keyspace, selection
        );
    if (out.part)
        set_target_side(out, policy::classify(out.part->text), out.part->text);
    else
        set_target_side(out, out.facts, policy::without_hidden_comment(text));
    apply_shapes(out, shapes);
    return out;
}

// The statements of one event loop, and which prepared ids of the source mean which of them.
// Single-threaded. Statements live as long as the registry.
class statement_registry {
public:
    const statement& by_id(std::uint32_t id) const { return *statements_.at(id); }
    std::size_t size() const noexcept { return statements_.size(); }

    // A statement that does not come again: it is not kept.
    statement make(std::string_view keyspace, std::string_view text) const
    {
        auto out = make_statement(keyspace, text, *shapes_, selection_);
        apply_filter(out);
        return out;
    }

    // The statement of this text under this keyspace. Does not allocate when it is known.
    const statement& intern(std::string_view keyspace, std::string_view text)
    {
        return intern(keyspace, text, '\0', [&] { return make(keyspace, text); });
    }

    // A text out of the spool: it was chosen for the target when it was written, and neither the
    // filter nor the selection, which may have been others then, is asked again.
    const statement& intern_chosen(std::string_view keyspace, std::string_view text)
    {
        return intern(keyspace, text, '\1', [&] {
            auto out = make_statement(keyspace, text, *shapes_);
            out.chosen = true;
            return out;
        });
    }

    // The statement that the source prepared under this id; null if this loop has not seen it.
    const statement* prepared(bytes_view source_id) const
    {
        const auto found = by_prepared_id_.find(as_text(source_id));
        return found == by_prepared_id_.end() ? nullptr : statements_[found->second].get();
    }
    void set_prepared(bytes_view source_id, const statement& made)
    {
        by_prepared_id_.insert_or_assign(std::string(as_text(source_id)), made.id);
    }

    const table_shapes& shapes() const noexcept { return *shapes_; }

    // The source's schema has been read anew: decides every statement again.
    void set_shapes(std::shared_ptr<const table_shapes> shapes)
    {
        shapes_ = std::move(shapes);
        for (auto& known : statements_) {
            apply_shapes(*known, *shapes_);
            apply_filter(*known);
        }
    }

    // Texts for which `filter` is true go to the source only. Before the first statement.
    void set_filter(std::function<bool(std::string_view)> filter) { filter_ = std::move(filter); }
    // Tables that are replicated; the others' statements go to the source only. The same.
    void set_selection(policy::table_selection selection) { selection_ = std::move(selection); }
    // Tables whose writes get their times from the source. The same.
    void set_source_times(std::vector<policy::table_pattern> tables)
    {
        source_times_ = std::move(tables);
    }

private:
    void apply_filter(statement& its) const
    {
        its.stays = false;
        its.source_times = policy::is_named(source_times_, its.facts, its.keyspace);
        if (its.chosen || its.is_pass()) return;
        its.stays = !selection_.takes(its.facts, its.keyspace) || (filter_ && filter_(its.text));
        if (its.stays) its.decision = {plan::pass, {}};
    }

    template <class Make>
    const statement&
    intern(std::string_view keyspace, std::string_view text, char mark, const Make& make_it)
    {
        key_.assign(keyspace);
        key_.push_back(mark);
        key_.append(text);
        if (const auto found = by_text_.find(key_); found != by_text_.end())
            return *statements_[found->second];
        const auto id = static_cast<std::uint32_t>(statements_.size());
        statement made = make_it();
        made.id = id;
        statements_.push_back(std::make_unique<statement>(std::move(made)));
        by_text_.emplace(key_, id);
        return *statements_.back();
    }

    std::function<bool(std::string_view)> filter_;
    policy::table_selection selection_;
    std::vector<policy::table_pattern> source_times_;
    std::shared_ptr<const table_shapes> shapes_{std::make_shared<table_shapes>()};
    std::vector<std::unique_ptr<statement>> statements_;
    std::unordered_map<std::string, std::uint32_t, text_hash, std::equal_to<>> by_text_;
    std::unordered_map<std::string, std::uint32_t, text_hash, std::equal_to<>> by_prepared_id_;
    std::string key_;  // kept for its memory
};

}  // namespace dualwrite::replication
