#include "store/postgres/sure_line.h"

namespace latchkey::store::postgres {
namespace {

constexpr int kTries = 3;

}  // namespace

Result<Rows> SureLine::ask(const Query& query) {
  Error error{};
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const auto db = line_.get();
    if (!db) return std::unexpected(attempt == 0 ? db.error() : std::move(error));
    const Step steps[] = {{&query}, {}};
    auto answers = (*db)->exchange(steps);
    auto& answer = answers.front();
    // The server answers the statement before it commits, and the sync point after.
    if (answer.kind == Answer::Kind::done && (*db)->alive()) return std::move(answer.rows);
    error = error_of(answer);
    if (answer.kind != Answer::Kind::failed) continue;
    if (is_read_only(answer.failure)) {
      line_.drop();
    } else if (!is_worth_repeating(answer.failure) && !answer.failure.fatal) {
      break;
    }
  }
  return std::unexpected(std::move(error));
}

Result<bool> SureLine::changes(const Query& query) {
  auto rows = ask(query);
  if (!rows) return std::unexpected(rows.error());
  return rows->row();
}

}  // namespace latchkey::store::postgres
