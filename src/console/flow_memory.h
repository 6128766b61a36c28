// What the console remembers of authorise flows while they run: how the browser wanted to come back, whether it has
// started, and the words of the last page. None of it is needed for safety, and a restart may forget it.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/id.h"
#include "grants/authorize.h"

namespace latchkey::console {

enum class Presentation { popup, page };

struct FlowNote {
  Presentation presentation = Presentation::popup;
  std::string ticket;        // of the start address
  std::string redirect_uri;
  bool started = false;
  bool by_owner = false;     // the confirmation page was used: no console at the end
  Bytes session_hash;        // of the console session that began it
  std::string username;      // as typed; empty when an existing user or grant was named
  bool replaces = false;     // an existing grant
};

// What /oauth/done shows.
struct FlowResult {
  bool succeeded = false;
  std::string title;
  std::string text;
  AuthorizationId id{};
  bool by_owner = false;
};

// A resource, bounded: the oldest of kFlowsMax is forgotten. Thread-safe.
class FlowMemory {
 public:
  static constexpr std::size_t kFlowsMax = 1'000;

  explicit FlowMemory(Entropy& entropy) : entropy_(entropy) {}

  void begun(AuthorizationId id, FlowNote note);
  [[nodiscard]] std::optional<FlowNote> find(AuthorizationId id) const;
  // Flows this session began for that username.
  [[nodiscard]] std::vector<AuthorizationId> begun_by(const Bytes& session_hash, std::string_view username) const;
  void started(std::string_view ticket, bool by_owner);

  // A key without meaning, for the clean address the callback ends at.
  [[nodiscard]] std::string keep(FlowResult result);
  [[nodiscard]] std::optional<FlowResult> result(std::string_view key) const;

 private:
  mutable std::mutex mutex_;
  Entropy& entropy_;
  std::map<AuthorizationId, FlowNote> notes_;
  std::deque<AuthorizationId> note_order_;
  std::map<std::string, FlowResult, std::less<>> results_;
  std::deque<std::string> result_order_;
};

}  // namespace latchkey::console
