// What is counted of the WebDAV door since the start of the process, for the metrics. Any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace latchkey::doors {

struct DavCounters {
  std::atomic<std::int64_t> requests = 0;
  std::atomic<std::int64_t> refused = 0;  // answered 4xx or 5xx
  std::atomic<std::int64_t> held = 0;     // documents that were to wait for their name or content
  std::atomic<std::int64_t> renamed = 0;
  std::atomic<std::int64_t> released = 0;  // sent under their temporary name, which another document has taken
};

}  // namespace latchkey::doors
