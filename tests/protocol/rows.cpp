#include <dualwrite/protocol/response_build.hpp>
#include <dualwrite/protocol/value_codec.hpp>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::protocol;
using namespace dualwrite::protocol::test;

namespace {

// Kind, global table spec, two columns: key text, value int.
byte_vector metadata()
{
    return bytes({0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2}) + bytes({0, 2, 'k', 's', 0, 1, 't'}) +
           bytes({0, 3, 'k', 'e', 'y', 0, 0x0d, 0, 1, 'v', 0, 9});
}

byte_vector two_rows()
{
    return metadata() + bytes({0, 0, 0, 2}) + bytes({0, 0, 0, 1, 'a', 0, 0, 0, 4, 0, 0, 0, 7}) +
           bytes({0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff});
}

}  // namespace

TEST_SUITE("protocol/rows")
{
    TEST_CASE("parse_rows: reads columns and cells, and tells null from empty")
    {
        const auto message = two_rows();
        const auto rows = parse_rows(message);
        REQUIRE(rows.has_value());
        REQUIRE(rows->columns().size() == 2);
        CHECK(rows->columns()[0].keyspace == "ks");
        CHECK(rows->columns()[0].table == "t");
        CHECK(rows->columns()[0].name == "key");
        CHECK(rows->columns()[0].type.id == type_id::text);
        CHECK(rows->columns()[1].type.id == type_id::int_);
        CHECK(rows->find_column("v") == 1);
        CHECK_FALSE(rows->find_column("V").has_value());
        CHECK_FALSE(rows->metadata().paging_state.has_value());

        REQUIRE(rows->size() == 2);
        std::vector<std::vector<cell>> cells;
        for (const auto row : *rows) {
            CHECK(row.size() == 2);
            cells.emplace_back();
            row.read(cells.back());
        }
        REQUIRE(cells.size() == 2);
        CHECK(as_text(*cells[0][0]) == "a");
        CHECK(hex(*cells[0][1]) == "00000007");
        REQUIRE(cells[1][0].has_value());
        CHECK(cells[1][0]->empty());
        CHECK_FALSE(cells[1][1].has_value());
        CHECK(hex(*rows->front()[1]) == "00000007");
    }

    TEST_CASE("parse_rows: refuses every truncation")
    {
        check_every_truncation(two_rows(), [](bytes_view in) {
            auto rows = parse_rows(in);
            // The first four bytes say what it is.
            if (!rows && in.size() < 4) return result<rows_view>(fail(errc::malformed));
            return rows;
        });
    }

    TEST_CASE("parse_rows: reads a table for each column where they differ")
    {
        const auto message = bytes({0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 'k', 0, 1, 't'}) +
                             bytes({0, 1, 'c', 0, 9, 0, 0, 0, 0});
        const auto rows = parse_rows(message);
        REQUIRE(rows.has_value());
        CHECK(rows->columns()[0].table == "t");
        CHECK(rows->empty());
        CHECK(rows->begin() == rows->end());
    }

    TEST_CASE("parse_rows: reads the paging state and the new id of the metadata")
    {
        const auto message = bytes({0, 0, 0, 2, 0, 0, 0, 0x0e, 0, 0, 0, 1, 0, 0, 0, 2, 7, 8}) +
                             bytes({0, 3, 1, 2, 3, 0, 0, 0, 0});
        const auto rows = parse_rows(message);
        REQUIRE(rows.has_value());
        CHECK(hex(*rows->metadata().paging_state) == "0708");
        CHECK(hex(*rows->metadata().new_metadata_id) == "010203");
        CHECK_FALSE(rows->metadata().has_columns());
    }

    TEST_CASE("parse_rows: uses the supplied columns where the message has none")
    {
        const std::vector<column_spec> columns{{"k", "t", "c", {.id = type_id::int_}}};
        const auto message =
            bytes({0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 'x'});
        const auto rows = parse_rows(message, &columns);
        REQUIRE(rows.has_value());
        CHECK(&rows->columns() == &columns);
        CHECK(as_text(*rows->front()[0]) == "x");
        CHECK(parse_rows(message)->columns().empty());
        // As many as the rows have, or the cells would get the wrong names.
        const std::vector<column_spec> other(2);
        CHECK(parse_rows(message, &other).error() == errc::malformed);
        // Columns of its own win.
        const auto own = two_rows();
        CHECK(parse_rows(own, &columns)->columns().size() == 2);
    }

    TEST_CASE("parse_rows: refuses counts that are negative, not there, or of nothing")
    {
        const auto with_counts = [](int columns, int rows) {
            return bytes({0, 0, 0, 2, 0, 0, 0, 4}) + encode_be(columns) + encode_be(rows);
        };
        CHECK(parse_rows(with_counts(0, 0)).has_value());
        CHECK(parse_rows(with_counts(0, 1)).error() == errc::malformed);
        CHECK(parse_rows(with_counts(0, 0x7fffffff)).error() == errc::malformed);
        CHECK(parse_rows(with_counts(1, 0x7fffffff)).error() == errc::malformed);
        CHECK(parse_rows(with_counts(0x7fffffff, 0x7fffffff)).error() == errc::malformed);
        CHECK(parse_rows(with_counts(-1, 0)).error() == errc::malformed);
        CHECK(parse_rows(with_counts(1, -1)).error() == errc::malformed);
        CHECK(parse_rows(with_counts(0x7fffffff, 0)).has_value());
        auto other_kind = two_rows();
        other_kind[3] = std::byte{1};
        CHECK(parse_rows(other_kind).error() == errc::unexpected_message);
    }

    TEST_CASE("rows_builder: writes what parse_rows reads, row by row")
    {
        const std::vector<column_spec> columns{
            {"ks", "t", "a", {.id = type_id::text}},
            {"ks", "other", "b", {.id = type_id::list, .parameters = {{.id = type_id::int_}}}}};
        byte_buffer out;
        rows_builder builder(out, columns);
        for (int i = 0; i < 100; ++i) {
            builder.add_cell(as_bytes("x"));
            builder.add_cell(std::nullopt);
        }
        builder.finish();
        const auto rows = parse_rows(out.view());
        REQUIRE(rows.has_value());
        CHECK(rows->columns() == columns);
        CHECK(rows->size() == 100);
        for (const auto row : *rows) {
            CHECK(as_text(*row[0]) == "x");
            CHECK_FALSE(row[1].has_value());
        }
    }

    TEST_CASE("rows_builder: makes known bytes again")
    {
        const auto message = two_rows();
        const auto rows = parse_rows(message);
        byte_buffer out;
        rows_builder builder(out, rows->metadata());
        for (const auto row : *rows)
            for (const auto cell : row) builder.add_cell(cell);
        builder.finish();
        CHECK(equal(out.view(), message));
    }

    TEST_CASE("is_applied: reads the answer of a lightweight transaction and of nothing else")
    {
        const auto answer = [](std::string_view name, type_id id, const cell& value) {
            byte_buffer out;
            rows_builder builder(out, {{"ks", "t", std::string(name), {.id = id}}});
            builder.add_cell(value);
            builder.finish();
            return is_applied(*parse_rows(out.view()));
        };
        const auto yes = bytes({1}), no = bytes({0});
        CHECK(answer("[applied]", type_id::boolean, yes) == true);
        CHECK(answer("[applied]", type_id::boolean, no) == false);
        CHECK_FALSE(answer("applied", type_id::boolean, yes).has_value());
        CHECK_FALSE(answer("[applied]", type_id::text, yes).has_value());
        CHECK_FALSE(answer("[applied]", type_id::boolean, std::nullopt).has_value());
        const auto message = metadata() + bytes({0, 0, 0, 0});
        CHECK_FALSE(is_applied(*parse_rows(message)).has_value());
    }
}
