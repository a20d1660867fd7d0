#pragma once

#include <string>
#include <system_error>

namespace dualwrite {

// Everything that can be expected to go wrong. Cause, then remedy.
enum class errc {
    // protocol: bytes that are not CQL. The connection that sent them is closed.
    malformed = 1,        // a length, count or code that the specification does not allow
    bad_version,          // protocol version outside 3..5; see --protocol-version
    bad_opcode,           // an opcode that no version of the protocol defines
    body_too_large,       // an envelope over the limit for its connection's state
    bad_crc,              // a v5 segment whose CRC24 or CRC32 does not fit: bytes were damaged
    bad_compression,      // a body that does not decompress to its declared size
    unknown_compression,  // compression that was not negotiated
    unexpected_message,   // a message that the state of the connection does not allow

    // clusters
    connect_failed,         // no TCP connection; check address, port and firewall
    connection_lost,        // closed while answers were outstanding
    handshake_failed,       // STARTUP or TLS was refused; see the text beside it
    authentication_failed,  // credentials were refused
    timed_out,              // no answer within the stated limit
    server_error,           // the server answered ERROR; its code and text ride beside
    unsupported,            // a statement or a type that this operation cannot handle

    // spool and files
    spool_locked,     // another process holds the directory
    spool_version,    // written by a newer format; use the version that wrote it
    spool_corrupt,    // a damaged record that is not a torn tail
    spool_full,       // the size limit or the disk is reached
    ledger_mismatch,  // the ledger belongs to another run or has another format

    // callers
    invalid_argument,
    cancelled,
    shutdown,
};

class error_category final : public std::error_category {
public:
    const char* name() const noexcept override { return "dualwrite"; }
    std::string message(int value) const override
    {
        switch (static_cast<errc>(value)) {
        case errc::malformed:
            return "malformed message";
        case errc::bad_version:
            return "unsupported protocol version";
        case errc::bad_opcode:
            return "unknown opcode";
        case errc::body_too_large:
            return "message over the size limit";
        case errc::bad_crc:
            return "segment checksum mismatch";
        case errc::bad_compression:
            return "compressed body is damaged";
        case errc::unknown_compression:
            return "compression was not negotiated";
        case errc::unexpected_message:
            return "message not allowed in this state";
        case errc::connect_failed:
            return "cannot connect";
        case errc::connection_lost:
            return "connection lost";
        case errc::handshake_failed:
            return "handshake failed";
        case errc::authentication_failed:
            return "authentication failed";
        case errc::timed_out:
            return "timed out";
        case errc::server_error:
            return "the server answered with an error";
        case errc::unsupported:
            return "not supported";
        case errc::spool_locked:
            return "spool directory is in use by another process";
        case errc::spool_version:
            return "spool was written by a newer version";
        case errc::spool_corrupt:
            return "spool is damaged";
        case errc::spool_full:
            return "spool is full";
        case errc::ledger_mismatch:
            return "ledger belongs to another run";
        case errc::invalid_argument:
            return "invalid argument";
        case errc::cancelled:
            return "cancelled";
        case errc::shutdown:
            return "shutting down";
        }
        return "unknown error";
    }
};

inline const std::error_category& category() noexcept
{
    static const error_category instance;
    return instance;
}

inline std::error_code make_error_code(errc value) noexcept
{
    return {static_cast<int>(value), category()};
}

}  // namespace dualwrite

template <> struct std::is_error_code_enum<dualwrite::errc> : std::true_type {
};
