#include "relay.hpp"

#include <algorithm>

namespace dualwrite::engine {

using protocol::envelope_header_size;
using protocol::segment_payload_max;

std::size_t relay::feed(bytes_view in, std::size_t& wanted)
{
    std::size_t done = 0;
    while (!stopped_ && done < in.size()) {
        const auto rest = in.subspan(done);
        wanted = 0;
        const auto taken = segments_ ? take_segment(rest, wanted) : take_plain(rest, wanted);
        if (taken == 0) break;
        done += taken;
    }
    return stopped_ ? in.size() : done;
}

void relay::refuse(errc code, bytes_view head)
{
    stopped_ = true;
    handler_.refuse(make_error_code(code), head);
}

bool relay::acceptable(const result<protocol::envelope_header>& header, bytes_view in)
{
    if (header && header->body_size <= body_size_max_) return true;
    stopped_ = true;
    handler_.refuse(header ? make_error_code(errc::body_too_large) : header.error(), in);
    return false;
}

std::size_t relay::take_plain(bytes_view in, std::size_t& wanted)
{
    if (stream_left_ != 0) {
        const auto part = std::min(stream_left_, in.size());
        out_.send(in.first(part));
        streamed(part);
        return part;
    }
    if (in.size() < envelope_header_size) return 0;
    const auto header = protocol::parse_envelope_header(in);
    if (!acceptable(header, in)) return in.size();
    const auto size = header->size();
    if (in.size() >= size) {
        const auto envelope = in.first(size);
        out_.send(handler_.take(*header, envelope));
        return size;
    }
    if (size > segment_payload_max && handler_.stream(*header)) {
        stream_left_ = size;
        return take_plain(in, wanted);
    }
    wanted = size;
    return 0;
}

std::size_t relay::take_segment(bytes_view in, std::size_t& wanted)
{
    const auto head = protocol::segment_header_size(lz4_);
    if (in.size() < head) return 0;
    const auto header = protocol::parse_segment_header(in, lz4_);
    if (!header) {
        refuse(errc::bad_crc, {});
        return in.size();
    }
    const auto size = header->size(lz4_);
    if (in.size() < size) {
        wanted = size;
        return 0;
    }
    const auto segment = in.first(size);
    const auto payload = protocol::open_segment(segment, *header, lz4_, scratch_);
    if (!payload) {
        stopped_ = true;
        handler_.refuse(payload.error(), {});
        return size;
    }
    const bool inside = stream_left_ != 0 || !large_.empty();
    if (header->self_contained && inside)
        refuse(errc::malformed, {});
    else if (header->self_contained)
        take_payload(segment, *payload);
    else
        take_part(segment, *payload);
    return size;
}

// One or more whole envelopes.
void relay::take_payload(bytes_view segment, bytes_view payload)
{
    pieces_.clear();
    bool untouched = true;
    for (std::size_t at = 0; at < payload.size() && !stopped_;) {
        const auto rest = payload.subspan(at);
        if (rest.size() < envelope_header_size) {
            refuse(errc::malformed, {});
            break;
        }
        const auto header = protocol::parse_envelope_header(rest);
        if (!acceptable(header, rest)) break;
        if (rest.size() < header->size()) {
            refuse(errc::malformed, rest);
            break;
        }
        const auto envelope = rest.first(header->size());
        const auto piece = handler_.take(*header, envelope);
        untouched = untouched && piece.data() == envelope.data() && piece.size() == envelope.size();
        if (!piece.empty()) pieces_.push_back(piece);
        at += header->size();
    }
    if (untouched && !stopped_)
        out_.send(segment);
    else
        forward_pieces();
}

// Packs as many envelopes into a segment as it holds.
void relay::forward_pieces()
{
    encoded_.clear();
    payload_.clear();
    for (const auto piece : pieces_) {
        if (!payload_.empty() && payload_.size() + piece.size() > segment_payload_max) {
            protocol::append_as_segments(encoded_, payload_.view(), lz4_);
            payload_.clear();
        }
        payload_.append(piece);
    }
    if (!payload_.empty()) protocol::append_as_segments(encoded_, payload_.view(), lz4_);
    out_.send_copy(encoded_.view());
}

// A part of one envelope that does not fit into one segment.
void relay::take_part(bytes_view segment, bytes_view payload)
{
    if (stream_left_ != 0) {
        if (payload.size() > stream_left_) return refuse(errc::malformed, {});
        out_.send(segment);
        return streamed(payload.size());
    }
    large_.append(payload);
    large_segments_.append(segment);
    if (large_.size() < envelope_header_size) return;
    const auto header = protocol::parse_envelope_header(large_.view());
    if (!acceptable(header, large_.view())) return;
    if (large_.size() > header->size()) return refuse(errc::malformed, large_.view());
    if (large_.size() == header->size()) {
        const auto piece = handler_.take(*header, large_.view());
        if (piece.data() == large_.data() && piece.size() == large_.size()) {
            out_.send_copy(large_segments_.view());
        } else if (!piece.empty()) {
            encoded_.clear();
            protocol::append_as_segments(encoded_, piece, lz4_);
            out_.send_copy(encoded_.view());
        }
    } else if (large_.size() == payload.size() && handler_.stream(*header)) {
        stream_left_ = header->size() - large_.size();
        out_.send(segment);
    } else {
        return;
    }
    large_.release();
    large_segments_.release();
}

std::size_t relay::collecting() const noexcept
{
    if (large_.size() < envelope_header_size) return large_.size();
    const auto header = protocol::parse_envelope_header(large_.view());
    return header ? header->size() : large_.size();
}

void relay::streamed(std::size_t size)
{
    stream_left_ -= size;
    if (stream_left_ != 0 || own_waiting_.empty()) return;
    out_.send_copy(own_waiting_.view());
    own_waiting_.release();
}

void relay::send_own(bytes_view envelope)
{
    encoded_.clear();
    auto& into = is_streaming() ? own_waiting_ : encoded_;
    if (segments_)
        protocol::append_as_segments(into, envelope, lz4_);
    else
        into.append(envelope);
    out_.send_copy(encoded_.view());
}

}  // namespace dualwrite::engine
