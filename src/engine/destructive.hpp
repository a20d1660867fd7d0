#pragma once

#include <dualwrite/policy/statement.hpp>

#include <cctype>
#include <string>
#include <string_view>

namespace dualwrite::engine {

// DDL, or TRUNCATE, that takes what was written since when it is executed a second time.
inline bool destroys(std::string_view schema_text)
{
    const auto facts = policy::classify(schema_text);
    if (facts.kind == policy::statement_kind::truncate) return true;
    if (facts.kind != policy::statement_kind::ddl) return false;
    if (facts.ddl_action == policy::schema_action::drop) return true;
    if (facts.ddl_action != policy::schema_action::alter) return false;
    std::string words(schema_text);
    for (auto& c : words) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return words.find("drop") != std::string::npos;
}

}  // namespace dualwrite::engine
