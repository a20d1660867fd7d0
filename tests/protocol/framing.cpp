#include <dualwrite/protocol/framing.hpp>

#include "support.hpp"

using namespace dualwrite;
using namespace dualwrite::protocol;
using namespace dualwrite::protocol::test;

namespace {

enum class mode { plain, plain_lz4, plain_snappy, segments, segments_lz4 };

constexpr mode all_modes[] = {
    mode::plain, mode::plain_lz4, mode::plain_snappy, mode::segments, mode::segments_lz4};

template <class T> T made(mode m)
{
    T out;
    if (m == mode::plain_lz4) out.set_compression(compression::lz4);
    if (m == mode::plain_snappy) out.set_compression(compression::snappy);
    if (m == mode::segments) out.switch_to_segments(false);
    if (m == mode::segments_lz4) out.switch_to_segments(true);
    return out;
}

// Bodies that are empty, small, compressible and not.
std::vector<byte_vector> sample_bodies()
{
    return {{}, noise(1), repetitive(40), noise(70, 5), repetitive(90)};
}

byte_vector wire_of(mode m, const std::vector<byte_vector>& bodies)
{
    auto encoder = made<envelope_encoder>(m);
    byte_buffer out;
    std::vector<envelope_view> views;
    for (std::size_t i = 0; i < bodies.size(); ++i) {
        views.push_back(view_of(opcode::query, bodies[i]));
        views.back().header.stream = static_cast<std::int16_t>(i);
    }
    if (!views.empty()) encoder.append(out, views[0].header, views[0].body);
    encoder.append_many(out, std::span(views).subspan(std::min<std::size_t>(1, views.size())));
    return copy(out.view());
}

// All bodies that can be had now; the stream ids have to count up.
void take_all(envelope_decoder& decoder, std::vector<byte_vector>& bodies)
{
    for (;;) {
        const auto next = decoder.next();
        REQUIRE(next.has_value());
        if (!*next) return;
        const auto& view = **next;
        CHECK(view.header.stream == static_cast<std::int16_t>(bodies.size()));
        CHECK(view.header.body_size == view.body.size());
        CHECK((view.header.flags & flag_compressed) == 0);
        bodies.push_back(copy(view.body));
    }
}

std::error_code error_after(envelope_decoder& decoder, bytes_view in)
{
    decoder.feed(in);
    for (;;) {
        const auto next = decoder.next();
        if (!next) return next.error();
        if (!*next) return {};
    }
}

byte_vector envelope_of(std::size_t body_size)
{
    byte_buffer out;
    append_envelope(out, {.version = 5, .op = opcode::query}, noise(body_size));
    return copy(out.view());
}

byte_vector segment_of(bytes_view payload, bool self_contained)
{
    byte_buffer out;
    append_segment(out, payload, self_contained, false);
    return copy(out.view());
}

}  // namespace

TEST_SUITE("protocol/framing")
{
    TEST_CASE("envelope_decoder: gives the same envelopes at every split point of the bytes")
    {
        for (const auto m : all_modes) {
            CAPTURE(static_cast<int>(m));
            const auto bodies = sample_bodies();
            const auto wire = wire_of(m, bodies);
            for (std::size_t split = 0; split <= wire.size(); ++split) {
                CAPTURE(split);
                auto decoder = made<envelope_decoder>(m);
                std::vector<byte_vector> got;
                decoder.feed(copy(bytes_view(wire).first(split)));
                take_all(decoder, got);
                if (split < wire.size()) CHECK(got.size() < bodies.size());
                decoder.feed(copy(bytes_view(wire).subspan(split)));
                take_all(decoder, got);
                CHECK(got == bodies);
            }
        }
    }

    TEST_CASE("envelope_decoder: gives the same envelopes when bytes come one at a time")
    {
        for (const auto m : all_modes) {
            const auto wire = wire_of(m, sample_bodies());
            auto decoder = made<envelope_decoder>(m);
            std::vector<byte_vector> got;
            for (const auto byte : wire) {
                decoder.feed({&byte, 1});
                take_all(decoder, got);
            }
            CHECK(got == sample_bodies());
        }
    }

    TEST_CASE("envelope_decoder: puts an envelope of several segments together")
    {
        for (const auto m : {mode::segments, mode::segments_lz4})
            for (const std::size_t size :
                 {segment_payload_max - 9,
                  segment_payload_max - 8,
                  2 * segment_payload_max - 9,
                  2 * segment_payload_max - 8,
                  std::size_t{1000000}}) {
                CAPTURE(size);
                const std::vector<byte_vector> bodies{noise(3), repetitive(size), noise(size), {}};
                auto decoder = made<envelope_decoder>(m);
                decoder.feed(wire_of(m, bodies));
                std::vector<byte_vector> got;
                take_all(decoder, got);
                CHECK(got == bodies);
            }
    }

    TEST_CASE("envelope_decoder: reads an envelope header that is split over two segments")
    {
        const auto envelope = envelope_of(20);
        envelope_decoder decoder;
        decoder.switch_to_segments(false);
        decoder.feed(segment_of(bytes_view(envelope).first(4), false));
        CHECK_FALSE(decoder.next()->has_value());
        decoder.feed(segment_of(bytes_view(envelope).subspan(4), false));
        const auto next = decoder.next();
        REQUIRE(next->has_value());
        CHECK((*next)->body.size() == 20);
    }

    TEST_CASE("envelope_decoder: switches to segments in the middle of what was fed")
    {
        byte_buffer wire;
        append_envelope(wire, {.version = 5, .response = true, .op = opcode::ready}, {});
        wire.append(segment_of(envelope_of(7), true));
        envelope_decoder decoder;
        decoder.feed(wire.view());
        CHECK((**decoder.next()).header.op == opcode::ready);
        decoder.switch_to_segments(false);
        CHECK((**decoder.next()).body.size() == 7);
        CHECK_FALSE(decoder.next()->has_value());
    }

    TEST_CASE("envelope_decoder: refuses a body of one byte over the limit from its header alone")
    {
        for (const bool segments : {false, true}) {
            const auto wrap = [&](bytes_view in) {
                return segments ? segment_of(in, true) : copy(in);
            };
            envelope_decoder decoder(100);
            if (segments) decoder.switch_to_segments(false);
            CHECK_FALSE(error_after(decoder, wrap(envelope_of(100))));
            const auto large = envelope_of(101);
            const auto header = bytes_view(large).first(9);
            const auto part = segments ? segment_of(header, false) : copy(header);
            CHECK(error_after(decoder, part) == errc::body_too_large);
            // Closed for good, whatever comes.
            CHECK(error_after(decoder, wrap(envelope_of(1))) == errc::body_too_large);
        }
    }

    TEST_CASE("envelope_decoder: applies the limit to the decompressed body")
    {
        for (const auto m : {mode::plain_lz4, mode::plain_snappy}) {
            const auto wire = wire_of(m, {repetitive(5000)});
            REQUIRE(wire.size() < 1000);
            auto decoder = made<envelope_decoder>(m);
            decoder.set_body_size_max(5000);
            CHECK_FALSE(error_after(decoder, wire));
            decoder.set_body_size_max(4999);
            CHECK(error_after(decoder, wire) == errc::body_too_large);
        }
    }

    TEST_CASE("envelope_decoder: refuses segments whose payload breaks the rules of its flag")
    {
        const auto whole = envelope_of(20);
        const auto fails = [&](std::initializer_list<byte_vector> segments) {
            envelope_decoder decoder;
            decoder.switch_to_segments(false);
            std::error_code error;
            for (const auto& segment : segments) error = error_after(decoder, segment);
            return error == errc::malformed;
        };
        const auto head = copy(bytes_view(whole).first(12));
        // A self-contained segment with a part of an envelope, alone and behind a whole one.
        CHECK(fails({segment_of(head, true)}));
        CHECK(fails({segment_of(whole + head, true)}));
        CHECK(fails({segment_of(copy(bytes_view(whole).first(5)), true)}));
        // Another envelope inside a large one, or behind it in its last segment.
        CHECK(fails({segment_of(head, false), segment_of(whole, true)}));
        CHECK(fails({segment_of(whole + head, false)}));
        CHECK(fails({segment_of(whole + whole, false)}));
        CHECK_FALSE(fails({segment_of(whole, false)}));
        CHECK_FALSE(fails({segment_of({}, true), segment_of(whole, true)}));
    }

    TEST_CASE("envelope_decoder: refuses damaged segments and unknown versions and opcodes")
    {
        auto damaged = segment_of(envelope_of(20), true);
        damaged[20] ^= std::byte{1};
        envelope_decoder segments;
        segments.switch_to_segments(false);
        CHECK(error_after(segments, damaged) == errc::bad_crc);

        envelope_decoder version;
        CHECK(error_after(version, bytes({2, 0, 0, 0, 7, 0, 0, 0, 0})) == errc::bad_version);
        envelope_decoder op;
        CHECK(error_after(op, bytes({4, 0, 0, 0, 4, 0, 0, 0, 0})) == errc::bad_opcode);
    }

    TEST_CASE("envelope_decoder: refuses a compressed body where no compression was agreed upon")
    {
        envelope_decoder decoder;
        CHECK(
            error_after(decoder, bytes({4, 1, 0, 0, 7, 0, 0, 0, 0})) == errc::unknown_compression
        );
    }

    TEST_CASE("envelope_decoder: ignores the flag for compression inside segments")
    {
        auto envelope = envelope_of(5);
        envelope[1] = std::byte{flag_compressed | flag_use_beta};
        envelope_decoder decoder;
        decoder.switch_to_segments(false);
        decoder.feed(segment_of(envelope, true));
        const auto next = decoder.next();
        REQUIRE(next->has_value());
        CHECK((*next)->header.flags == flag_use_beta);
        CHECK((*next)->body.size() == 5);
    }

    TEST_CASE("envelope_encoder: never compresses STARTUP and OPTIONS, nor what does not shrink")
    {
        envelope_encoder encoder;
        encoder.set_compression(compression::lz4);
        const auto flags_of = [&](opcode op, bytes_view body) {
            byte_buffer out;
            encoder.append(out, {.version = 4, .op = op}, body);
            return parse_envelope_header(out.view())->flags;
        };
        CHECK(flags_of(opcode::query, repetitive(200)) == flag_compressed);
        CHECK(flags_of(opcode::startup, repetitive(200)) == 0);
        CHECK(flags_of(opcode::options, repetitive(200)) == 0);
        CHECK(flags_of(opcode::query, noise(200)) == 0);
        CHECK(flags_of(opcode::query, repetitive(10)) == 0);
    }

    TEST_CASE("envelope_encoder: fills one segment with many envelopes and begins another in time")
    {
        envelope_encoder encoder;
        encoder.switch_to_segments(false);
        // 100 envelopes of 4009 bytes: 32 fit into 131071.
        const auto body = noise(4000);
        const std::vector<envelope_view> views(100, view_of(opcode::query, body, 5));
        byte_buffer out;
        encoder.append_many(out, views);
        std::vector<std::uint32_t> sizes;
        for (auto rest = out.view(); !rest.empty();) {
            const auto header = *parse_segment_header(rest, false);
            CHECK(header.self_contained);
            sizes.push_back(header.wire_size);
            rest = rest.subspan(header.size(false));
        }
        CHECK(sizes == std::vector<std::uint32_t>{32 * 4009, 32 * 4009, 32 * 4009, 4 * 4009});
    }
}
