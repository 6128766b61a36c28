// What the SMTP door is told at start, and what it counts. Values.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "net/ip_address.h"

namespace latchkey::doors {

// What a listener is for.
enum class SmtpListenerKind {
  submission,  // users and devices; a PIN in TLS or from this machine alone
  trusted,     // in clear, or with TLS 1.0: devices alone, and from addresses that are named (RULES T7)
};

struct SmtpListenerRule {
  SmtpListenerKind kind = SmtpListenerKind::submission;
  std::vector<net::IpAddress> sources;  // trusted: who may connect
  [[nodiscard]] bool names(const net::IpAddress& peer) const { return std::ranges::find(sources, peer) != sources.end(); }
};

struct SmtpPatience {
  Milliseconds command{300'000};   // RFC 5321 section 4.5.3.2.7
  Milliseconds sign_in{60'000};    // from the greeting until somebody has signed in, or is known
  Milliseconds write{60'000};
  Milliseconds handshake{30'000};
  std::uint64_t bytes_per_second_min = 1000;  // of a message, over a minute
};

struct SmtpSettings {
  std::string host;         // this server's name
  std::string drop_domain;  // CONNECTOR@it
  std::vector<SmtpListenerRule> listeners;  // in the order of the server's
  std::function<std::uint64_t()> size_bytes_max;  // of a document, on this server
  SmtpPatience patience;
};

// Since the start of the process. Any thread.
struct SmtpCounters {
  std::atomic<std::int64_t> connections = 0;
  std::atomic<std::int64_t> mails = 0;     // acknowledged
  std::atomic<std::int64_t> refused = 0;   // after their data had come in
  std::atomic<std::int64_t> sign_ins_refused = 0;
  std::atomic<std::int64_t> cut = 0;       // too slow, too many errors, not from a named address
};

}  // namespace latchkey::doors
