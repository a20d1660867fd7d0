#pragma once

#include <dualwrite/protocol/compression.hpp>
#include <dualwrite/protocol/envelope.hpp>
#include <dualwrite/protocol/segment.hpp>

#include <optional>
#include <span>

namespace dualwrite::protocol {

// The limit of the specification.
inline constexpr std::size_t body_size_limit = 256 * 1024 * 1024;

// Bytes of a connection of ours -> envelopes with uncompressed bodies, whatever the framing. Memory
// grows with the bytes received, never to a size that was only announced.
class envelope_decoder {
public:
    explicit envelope_decoder(std::size_t body_size_max = body_size_limit) noexcept
        : body_size_max_(body_size_max)
    {
    }

    // What STARTUP asked for, versions 3 and 4.
    void set_compression(compression kind) noexcept { compression_ = kind; }

    // Version 5, when the answer to STARTUP has been read: all that follows is in segments.
    void switch_to_segments(bool lz4) noexcept
    {
        segments_ = true;
        lz4_ = lz4;
    }

    void set_body_size_max(std::size_t size) noexcept { body_size_max_ = size; }

    // Invalidates what next() gave.
    void feed(bytes_view in)
    {
        wire_.consume(std::exchange(wire_at_, 0));
        wire_.append(in);
    }

    // Empty: more bytes are needed. Error: the connection must be closed; every further call fails
    // the same way. The view is valid until the next call.
    result<std::optional<envelope_view>> next()
    {
        if (error_) return fail(error_);
        auto got = segments_ ? next_of_segments() : next_plain();
        if (!got) error_ = got.error();
        return got;
    }

private:
    using found = std::optional<envelope_view>;

    result<found> next_plain()
    {
        const auto in = wire_.view().subspan(wire_at_);
        DW_TRY(view, whole_envelope(in));
        if (!view) return found{};
        wire_at_ += view->header.size();
        if ((view->header.flags & flag_compressed) == 0) return view;

        unpacked_.clear();
        DW_CHECK(decompress_body(compression_, view->body, body_size_max_, unpacked_));
        return with_body(*view, unpacked_.view());
    }

    result<found> next_of_segments()
    {
        for (;;) {
            DW_TRY(view, whole_envelope(envelopes_.view().subspan(envelopes_at_)));
            if (view) {
                envelopes_at_ += view->header.size();
                // Nothing may follow the one envelope that was spread over segments.
                if (spread_ && envelopes_at_ != envelopes_.size()) return fail(errc::malformed);
                spread_ = false;
                // The flag has no meaning here, though some drivers set it.
                return with_body(*view, view->body);
            }
            if (!spread_ && envelopes_at_ != envelopes_.size()) return fail(errc::malformed);
            if (!spread_) envelopes_.consume(std::exchange(envelopes_at_, 0));
            DW_TRY(taken, take_segment());
            if (!taken) return found{};
        }
    }

    // Moves the payload of the next segment to envelopes_; false: not all of it is here.
    result<bool> take_segment()
    {
        const auto in = wire_.view().subspan(wire_at_);
        if (in.size() < segment_header_size(lz4_)) return false;
        DW_TRY(header, parse_segment_header(in, lz4_));
        if (header.self_contained && spread_) return fail(errc::malformed);
        const auto size = header.size(lz4_);
        if (in.size() < size) return false;
        DW_TRY(payload, open_segment(in.first(size), header, lz4_, unpacked_));
        envelopes_.append(payload);
        spread_ = !header.self_contained;
        wire_at_ += size;
        return true;
    }

    result<found> whole_envelope(bytes_view in) const
    {
        if (in.size() < envelope_header_size) return found{};
        DW_TRY(header, parse_envelope_header(in));
        if (header.body_size > body_size_max_) return fail(errc::body_too_large);
        if (in.size() < header.size()) return found{};
        return found{{header, in.subspan(envelope_header_size, header.body_size)}};
    }

    static found with_body(envelope_view view, bytes_view body) noexcept
    {
        view.header.flags &= static_cast<std::uint8_t>(~flag_compressed);
        view.header.body_size = static_cast<std::uint32_t>(body.size());
        view.body = body;
        return view;
    }

    std::size_t body_size_max_;
    compression compression_{compression::none};
    bool segments_{false};
    bool lz4_{false};
    bool spread_{false};  // envelopes_ holds the beginning of an envelope larger than a segment
    std::error_code error_;

    byte_buffer wire_;  // as received; the first wire_at_ bytes are done
    std::size_t wire_at_{0};
    byte_buffer envelopes_;  // out of segments; the first envelopes_at_ bytes were given out
    std::size_t envelopes_at_{0};
    byte_buffer unpacked_;
};

// Envelopes -> bytes for a connection, in its framing and with its compression.
class envelope_encoder {
public:
    void set_compression(compression kind) noexcept { compression_ = kind; }

    void switch_to_segments(bool lz4) noexcept
    {
        segments_ = true;
        lz4_ = lz4;
    }

    void append(byte_buffer& out, const envelope_header& header, bytes_view body)
    {
        if (!segments_) return append_plain(out, header, body);
        payload_.clear();
        append_envelope(payload_, header, body);
        append_as_segments(out, payload_.view(), lz4_);
    }

    // Fills segments with as many envelopes as they hold.
    void append_many(byte_buffer& out, std::span<const envelope_view> envelopes)
    {
        payload_.clear();
        for (const auto& [header, body] : envelopes) {
            if (!segments_) {
                append_plain(out, header, body);
                continue;
            }
            const auto size = envelope_header_size + body.size();
            if (payload_.size() + size > segment_payload_max) flush(out);
            append_envelope(payload_, header, body);
        }
        flush(out);
    }

private:
    void flush(byte_buffer& out)
    {
        if (!payload_.empty()) append_as_segments(out, payload_.view(), lz4_);
        payload_.clear();
    }

    void append_plain(byte_buffer& out, envelope_header header, bytes_view body)
    {
        const auto allowed = header.op != opcode::startup && header.op != opcode::options;
        if (compression_ != compression::none && allowed && body.size() >= segment_compress_min) {
            packed_.clear();
            if (compress_body(compression_, body, packed_) && packed_.size() < body.size()) {
                header.flags |= flag_compressed;
                return append_envelope(out, header, packed_.view());
            }
        }
        append_envelope(out, header, body);
    }

    compression compression_{compression::none};
    bool segments_{false};
    bool lz4_{false};
    byte_buffer payload_;
    byte_buffer packed_;
};

}  // namespace dualwrite::protocol
