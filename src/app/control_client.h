// The admin API as the command line sees it: blocking HTTP over the control socket of a data directory.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace latchkey::app {

// A value. Each call is a connection of its own; answers of up to 64 MiB.
class ControlClient {
 public:
  explicit ControlClient(std::string data) : data_(std::move(data)) {}

  // `target` is path and query, already encoded. The answer's JSON; null for an empty body. Errors: unavailable/
  // `no_server` when nobody listens there; else the problem's code as `reason`, and what it says, with the field at fault
  // in front, as `text`.
  [[nodiscard]] Result<Json> call(std::string_view method, std::string_view target, const JsonObject* body = nullptr) const;
  [[nodiscard]] Result<Json> get(std::string_view target) const { return call("GET", target); }
  // An answer that is no JSON, given to `take` as it comes; how many octets it was. Errors as above; unavailable/`cut_off` when the
  // line broke before its end, `not_taken` when `take` refused some.
  [[nodiscard]] Result<std::uint64_t> download(std::string_view target,
                                               const std::function<bool(std::string_view)>& take) const;
  // Every item of a cursor-paged list; `target` without cursor and limit.
  [[nodiscard]] Result<JsonArray> all(std::string target) const;

 private:
  std::string data_;
};

// What a complete HTTP/1.1 answer (read to the end of the connection) says. Errors as above; unavailable/
// `malformed_answer`.
[[nodiscard]] Result<Json> read_answer(std::string_view answer);
// Status and body of an answer. Errors for a problem document (or any status from 400 on).
[[nodiscard]] Result<Json> read_answer(int status, std::string_view body);

}  // namespace latchkey::app
