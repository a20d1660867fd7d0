#pragma once

#include <dualwrite/engine/channel.hpp>
#include <dualwrite/protocol/envelope.hpp>
#include <dualwrite/protocol/segment.hpp>

#include <cstdint>
#include <system_error>
#include <vector>

namespace dualwrite::engine {

// Decides about each envelope of one direction.
class relay_handler {
public:
    // One whole envelope. Returns what goes on in its place: the same view (untouched bytes), other
    // bytes that stay valid until the turn has been flushed, or nothing.
    virtual bytes_view take(const protocol::envelope_header& header, bytes_view envelope) = 0;
    // True: the envelope is larger than one segment and its bytes may go on as they come, unseen.
    // It has then been dealt with; take() is not called for it.
    virtual bool stream(const protocol::envelope_header& header) = 0;
    // Bytes that are not CQL, or an envelope over the limit. Nothing more is taken.
    // `head` holds at least an envelope's header where there was one.
    virtual void refuse(std::error_code error, bytes_view head) = 0;

protected:
    ~relay_handler() = default;
};

// Splits what one side sends, envelopes or (version 5) segments, and passes it on to the other
// side: whole ranges of untouched bytes in one piece, without a copy. What is at most as large as a
// segment leaves whole, since some drivers lose their place otherwise.
class relay {
public:
    relay(channel& out, relay_handler& handler, std::size_t body_size_max) noexcept
        : out_(out), handler_(handler), body_size_max_(body_size_max)
    {
    }

    // The part of channel::on_bytes().
    std::size_t feed(bytes_view in, std::size_t& wanted);
    void use_segments(bool lz4) noexcept
    {
        segments_ = true;
        lz4_ = lz4;
    }
    bool uses_segments() const noexcept { return segments_; }
    bool lz4() const noexcept { return lz4_; }
    void set_body_size_max(std::size_t size) noexcept { body_size_max_ = size; }
    // Takes nothing more.
    void stop() noexcept { stopped_ = true; }

    // Sends an envelope of our own making in this direction, in its framing: behind the one that is
    // being passed on unseen, if there is one. Copied.
    void send_own(bytes_view envelope);
    // How large the envelope is that is being collected from segments; 0: none is.
    std::size_t collecting() const noexcept;
    // A part of an envelope has gone on, the rest is still to come.
    bool is_streaming() const noexcept { return stream_left_ != 0; }

private:
    std::size_t take_plain(bytes_view in, std::size_t& wanted);
    std::size_t take_segment(bytes_view in, std::size_t& wanted);
    void take_payload(bytes_view segment, bytes_view payload);
    void take_part(bytes_view segment, bytes_view payload);
    void forward_pieces();
    void streamed(std::size_t size);
    void refuse(errc code, bytes_view head);
    bool acceptable(const result<protocol::envelope_header>& header, bytes_view in);

    channel& out_;
    relay_handler& handler_;
    std::size_t body_size_max_;
    bool segments_{false};
    bool lz4_{false};
    bool stopped_{false};

    std::size_t stream_left_{0};      // bytes of an envelope that is passed on unseen
    byte_buffer own_waiting_;         // what send_own() has to put behind it
    std::vector<bytes_view> pieces_;  // of the segment in work
    byte_buffer scratch_;             // a decompressed payload
    byte_buffer payload_;             // of a segment that is made anew
    byte_buffer encoded_;
    byte_buffer large_;           // an envelope that is spread over segments
    byte_buffer large_segments_;  // and those segments
};

}  // namespace dualwrite::engine
