#include <dualwrite/dualwrite.h>
#include <dualwrite/protocol/envelope.hpp>
#include <dualwrite/protocol/segment.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace dualwrite;

namespace {

std::vector<std::byte> payload_of(std::size_t size)
{
    std::vector<std::byte> payload(size);
    for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<std::byte>(i % 7);
    return payload;
}

struct parsed {
    int code;
    dw_segment segment;
};

parsed parse(bytes_view wire, std::uint32_t flags, std::vector<std::byte>& buffer)
{
    dw_segment out = DW_SEGMENT_INIT;
    const int code = dw_segment_parse(
        &out, wire.data(), wire.size(), flags, buffer.data(), buffer.size(), nullptr
    );
    return {code, out};
}

}  // namespace

TEST_SUITE("capi/protocol")
{
    TEST_CASE("dw_envelope_parse: gives every field, and the body inside the caller's bytes")
    {
        byte_buffer wire;
        const protocol::envelope_header header{
            .version = 4,
            .response = true,
            .flags = 0x0a,
            .stream = -1,
            .op = protocol::opcode::event,
            .body_size = 0};
        protocol::append_envelope(wire, header, as_bytes("body"));
        dw_envelope out = DW_ENVELOPE_INIT;
        REQUIRE(dw_envelope_parse(&out, wire.data(), wire.size(), 100, nullptr) == DW_OK);
        CHECK(out.wire_size == 13);
        CHECK(out.body_size == 4);
        CHECK(static_cast<const void*>(out.body) == wire.data() + 9);
        CHECK(out.stream_id == -1);
        CHECK(out.version == 4);
        CHECK(out.response == 1);
        CHECK(out.flags == 0x0a);
        CHECK(out.opcode == 0x0c);
    }

    TEST_CASE("dw_envelope_parse: asks for the whole envelope at every length before its end")
    {
        byte_buffer wire;
        protocol::append_envelope(wire, {.op = protocol::opcode::query}, as_bytes("12345"));
        for (std::size_t size = 0; size < wire.size(); ++size) {
            CAPTURE(size);
            dw_envelope out = DW_ENVELOPE_INIT;
            CHECK(dw_envelope_parse(&out, wire.data(), size, 100, nullptr) == DW_NOT_YET);
            CHECK(out.wire_size == (size < 9 ? 9 : 14));
        }
    }

    TEST_CASE("dw_envelope_parse: refuses what no server would send")
    {
        const auto code = [](std::vector<unsigned char> bytes, std::uint32_t max) {
            dw_envelope out = DW_ENVELOPE_INIT;
            return dw_envelope_parse(&out, bytes.data(), bytes.size(), max, nullptr);
        };
        CHECK(code({2, 0, 0, 0, 7, 0, 0, 0, 0}, 100) == DW_E_PROTOCOL);
        CHECK(code({6, 0, 0, 0, 7, 0, 0, 0, 0}, 100) == DW_E_PROTOCOL);
        CHECK(code({4, 0, 0, 0, 4, 0, 0, 0, 0}, 100) == DW_E_PROTOCOL);
        CHECK(code({4, 0, 0, 0, 7, 0, 0, 0, 101}, 100) == DW_E_PROTOCOL);
        CHECK(code({4, 0, 0, 0, 7, 0, 0, 0, 100}, 100) == DW_NOT_YET);
        CHECK(code({4, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff}, UINT32_MAX) == DW_E_PROTOCOL);
    }

    TEST_CASE("dw_segment_parse: verifies and expands, with and without LZ4")
    {
        for (const bool lz4 : {false, true})
            for (const std::size_t size : {1u, 500u, DW_SEGMENT_PAYLOAD_MAX}) {
                CAPTURE(lz4);
                CAPTURE(size);
                const auto payload = payload_of(size);
                byte_buffer wire;
                protocol::append_segment(wire, payload, size != 500, lz4);
                std::vector<std::byte> buffer(DW_SEGMENT_PAYLOAD_MAX);
                const auto [code, out] = parse(wire.view(), lz4 ? DW_SEGMENT_LZ4 : 0, buffer);
                REQUIRE(code == DW_OK);
                CHECK(out.wire_size == wire.size());
                const bytes_view got(
                    reinterpret_cast<const std::byte*>(out.payload), out.payload_size
                );
                CHECK(equal(got, payload));
                CHECK(((out.flags & DW_SEGMENT_SELF_CONTAINED) != 0) == (size != 500));
                CHECK(((out.flags & DW_SEGMENT_COMPRESSED) != 0) == (lz4 && size > 1));
            }
    }

    TEST_CASE("dw_segment_parse: asks for more at every length, refuses every damaged byte")
    {
        for (const bool lz4 : {false, true}) {
            const std::uint32_t flags = lz4 ? DW_SEGMENT_LZ4 : 0;
            byte_buffer wire;
            protocol::append_segment(wire, payload_of(100), true, lz4);
            std::vector<std::byte> buffer(DW_SEGMENT_PAYLOAD_MAX);
            for (std::size_t size = 0; size < wire.size(); ++size) {
                CAPTURE(size);
                const auto [code, out] = parse(wire.view().first(size), flags, buffer);
                CHECK(code == DW_NOT_YET);
                const auto header = protocol::segment_header_size(lz4);
                CHECK(out.wire_size == (size < header ? header : wire.size()));
            }
            for (std::size_t at = 0; at < wire.size(); ++at) {
                CAPTURE(at);
                wire.data()[at] ^= std::byte{1};
                CHECK(parse(wire.view(), flags, buffer).code == DW_E_PROTOCOL);
                wire.data()[at] ^= std::byte{1};
            }
        }
    }

    TEST_CASE("dw_segment_parse: refuses a buffer that is too small, and unknown flags")
    {
        byte_buffer wire;
        protocol::append_segment(wire, payload_of(1000), true, true);
        std::vector<std::byte> buffer(999);
        CHECK(parse(wire.view(), DW_SEGMENT_LZ4, buffer).code == DW_E_INVALID_ARGUMENT);
        buffer.resize(1000);
        CHECK(parse(wire.view(), DW_SEGMENT_LZ4, buffer).code == DW_OK);
        CHECK(parse(wire.view(), 2, buffer).code == DW_E_INVALID_ARGUMENT);
        std::vector<std::byte> none;
        CHECK(parse(wire.view(), DW_SEGMENT_LZ4, none).code == DW_E_INVALID_ARGUMENT);
    }
}
