#include "delivery/document_numbers.h"

#include <algorithm>
#include <charconv>
#include <deque>
#include <functional>
#include <limits>
#include <optional>
#include <utility>

#include "base/pool.h"

namespace latchkey::delivery {
namespace {

constexpr std::int64_t kReservedMax = 64;
// Other servers take numbers of the same line at this moment: each time its end is read again. Each race is lost to one of them who got on.
constexpr int kRaces = 500;

std::string meta_of(const std::string& connector) { return "document_counter:" + connector; }

std::optional<std::int64_t> number_in(const Bytes& kept) {
  if (kept.empty()) return 0;
  const auto text = base::as_text(kept);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

std::unexpected<Error> altered(const std::string& connector) {
  return fail(ErrorKind::corrupt, "record_altered", "A stored record was altered by somebody else than this server; it is not used.",
              {.detail = "the counter of the connector " + connector});
}

}  // namespace

struct DocumentNumbers::Line {
  std::mutex mutex;  // guards what follows
  std::int64_t next = 1;
  std::int64_t end = 1;  // of what is reserved; next == end: nothing is
  bool busy = false;     // somebody reserves
  std::deque<std::move_only_function<void(bool)>> waiting;

  [[nodiscard]] std::optional<std::int64_t> reserved() {
    const std::lock_guard lock(mutex);
    if (next == end) return std::nullopt;
    return next++;
  }
};

// Reserving for a line: one at a time. Moves; whoever is next goes on when it ends.
class DocumentNumbers::Turn {
 public:
  [[nodiscard]] static Task<Turn> take(std::shared_ptr<Line> line) {
    auto start = [line](auto resume) mutable {
      {
        const std::lock_guard lock(line->mutex);
        if (line->busy) {
          line->waiting.emplace_back(std::move(resume));
          return;
        }
        line->busy = true;
      }
      resume(true);
    };
    co_await base::suspend_until<bool>(std::move(start));
    co_return Turn(std::move(line));
  }
  Turn(Turn&& other) noexcept = default;
  Turn& operator=(Turn&&) = delete;
  ~Turn() {
    if (!line_) return;
    std::move_only_function<void(bool)> next;
    {
      const std::lock_guard lock(line_->mutex);
      line_->busy = !line_->waiting.empty();
      if (!line_->busy) return;
      next = std::move(line_->waiting.front());
      line_->waiting.pop_front();
    }
    next(true);
  }

  // For whoever has the turn, and who waits for it.
  [[nodiscard]] std::int64_t wanted() const {
    const std::lock_guard lock(line_->mutex);
    return std::min(static_cast<std::int64_t>(line_->waiting.size()) + 1, kReservedMax);
  }

 private:
  explicit Turn(std::shared_ptr<Line> line) : line_(std::move(line)) {}
  std::shared_ptr<Line> line_;
};

DocumentNumbers::~DocumentNumbers() = default;

std::shared_ptr<DocumentNumbers::Line> DocumentNumbers::line_of(const std::string& connector) {
  const std::lock_guard lock(mutex_);
  auto& line = lines_[connector];
  if (!line) line = std::make_shared<Line>();
  return line;
}

Task<Result<std::int64_t>> DocumentNumbers::take(std::string connector) {
  const auto line = line_of(connector);
  if (const auto number = line->reserved()) co_return *number;
  const auto turn = co_await Turn::take(line);
  if (const auto number = line->reserved()) co_return *number;  // by whoever had the turn before
  const auto count = turn.wanted();
  const auto first = co_await reserve(std::move(connector), count);
  if (!first) co_return first;
  const std::lock_guard lock(line->mutex);
  line->next = *first + 1;
  line->end = *first + count;
  co_return *first;
}

Task<Result<std::int64_t>> DocumentNumbers::reserve(std::string connector, std::int64_t count) {
  const auto key = meta_of(connector);
  Result<void> done;
  for (int race = 0; race < kRaces; ++race) {
    auto kept = co_await store_.meta(key);
    if (!kept) co_return std::unexpected(kept.error());
    const auto last = number_in(*kept);
    if (!last || *last > std::numeric_limits<std::int64_t>::max() - count) co_return altered(connector);
    done = co_await store_.commit({store::CompareMeta{key, std::move(*kept)}, store::PutMeta{key, base::to_bytes(std::to_string(*last + count))}});
    if (done) co_return *last + 1;
    // What may have been committed is lost to everybody: others are reserved.
    const bool again = done.error().kind == ErrorKind::conflict || done.error().kind == ErrorKind::ambiguous;
    if (!again) co_return std::unexpected(done.error());
  }
  co_return fail(ErrorKind::unavailable, "store_unavailable",
                 "Too many documents are being numbered at this moment. Send the document again in a minute.",
                 {.retry_after = Seconds(60)});
}

}  // namespace latchkey::delivery
