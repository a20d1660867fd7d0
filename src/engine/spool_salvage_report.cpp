#include <dualwrite/engine/spool_salvage.hpp>
#include <dualwrite/engine/spool_survey.hpp>

#include <nlohmann/json.hpp>

#include "spool_gap_json.hpp"

namespace dualwrite::engine {

std::uint64_t spool_salvage::copied() const noexcept
{
    std::uint64_t sum = 0;
    for (const auto& log : logs) sum += log.copied;
    return sum;
}

std::uint64_t spool_salvage::lost() const noexcept
{
    std::uint64_t sum = 0;
    for (const auto& log : logs) sum += log.lost + log.unknown;
    return sum;
}

std::size_t spool_salvage::damages() const noexcept
{
    std::size_t sum = 0;
    for (const auto& log : logs)
        for (const auto& gap : log.gaps) sum += gap.damage ? 1 : 0;
    return sum;
}

std::string salvage_text(const spool_salvage& of)
{
    std::string out;
    for (const auto& log : of.logs) {
        out += "log " + log.id + ": " + std::to_string(log.copied) + " writes copied";
        if (log.refreshed != 0)
            out += ", of which " + std::to_string(log.refreshed) +
                   " are read at the source: what it said to them is lost";
        if (log.kept != 0) out += "; " + std::to_string(log.kept) + " of DDL kept as dead letters";
        if (log.unknown != 0)
            out += "; " + std::to_string(log.unknown) + " lost: the statements that they name are";
        out += '\n';
        for (const auto& gap : log.gaps)
            out += std::string(gap.damage ? "  lost      " : "  torn end  ") + gap_text(gap) + '\n';
    }
    out += "result: " + std::to_string(of.copied()) + " writes in " + of.into + ", " +
           std::to_string(of.lost()) + " lost\n";
    if (of.damages() != 0)
        out += "`dualwrite validate --repair true` finds and mends what the target lacks now\n";
    return out;
}

std::string salvage_json(const spool_salvage& of)
{
    using nlohmann::json;
    json logs = json::array();
    for (const auto& log : of.logs) {
        json gaps = json::array();
        for (const auto& gap : log.gaps) gaps.push_back(gap_json(gap));
        logs.push_back(
            {{"log", log.id},
             {"copied", log.copied},
             {"refreshed", log.refreshed},
             {"kept", log.kept},
             {"lost", log.lost},
             {"unknown", log.unknown},
             {"gaps", std::move(gaps)}}
        );
    }
    const json out{
        {"from", of.from},
        {"into", of.into},
        {"copied", of.copied()},
        {"lost", of.lost()},
        {"damages", of.damages()},
        {"logs", std::move(logs)}};
    return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace dualwrite::engine
