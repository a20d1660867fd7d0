#include "planted.hpp"

#include <dualwrite/protocol/query_parameters.hpp>
#include <dualwrite/protocol/request_build.hpp>

namespace sim {

int planted_bug = 0;

std::span<const std::byte> unset_to_null(std::span<const std::byte> values)
{
    static thread_local dualwrite::byte_buffer made;
    made.clear();
    (void)dualwrite::protocol::for_each_value(values, false, [](std::string_view, const auto& v) {
        using state = dualwrite::protocol::bound_value::state;
        if (v.is == state::present)
            dualwrite::protocol::append_bytes(made, v.bytes);
        else
            dualwrite::protocol::append_value(made, dualwrite::protocol::bound_value::null());
    });
    return made.view();
}

}  // namespace sim
