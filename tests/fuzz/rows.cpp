#include <dualwrite/protocol/response_build.hpp>
#include <dualwrite/protocol/value.hpp>

#include "fuzz.hpp"

// For any rows that parse: written and parsed again they are the same, and every cell can be shown.
using namespace dualwrite;
using namespace dualwrite::protocol;

static std::string shown(const rows_view& rows)
{
    std::string out;
    for (const auto row : rows)
        for (std::size_t i = 0; i < row.size(); ++i)
            out += display(rows.columns()[i].type, row[i]) + ";";
    return out;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const auto rows = parse_rows(fuzz::input(data, size).rest());
    if (!rows || rows->columns().size() != rows->metadata().column_count) return 0;
    byte_buffer again;
    rows_builder builder(again, rows->metadata());
    for (const auto row : *rows)
        for (const auto cell : row) builder.add_cell(cell);
    builder.finish();
    const auto reread = parse_rows(again.view());
    fuzz::check(reread && reread->columns() == rows->columns());
    fuzz::check(reread->size() == rows->size());
    fuzz::check(shown(*reread) == shown(*rows));
    return 0;
}
