// Telling what concerns the whole installation, with several servers on one store.
#include "grants/notices.h"

namespace latchkey::grants {
namespace {

constexpr std::chrono::minutes kBreak{2};
constexpr int kTriesInARow = 5;  // others write into the book, too; the rest at the next look

}  // namespace

std::string book_key(Channel channel, const std::optional<NodeId>& node) {
  return "notice_book:" + std::string(name_of(channel)) + (node ? ":" + node->text() : std::string());
}

// Also while the channel waits: what this server sees must stand in the book, so that nobody says that it is over.
Task<void> Notices::tell_shared(Channel channel, NoticeSettings settings) {
  auto& state = state_of(channel);
  auto& sharing = state.sharing;
  sharing.reader.node = parts_.node->text();
  int refused = 0;
  int told = 0;
  bool failed = false;
  for (;;) {
    const auto kept = co_await parts_.store.meta(book_key(channel, std::nullopt));
    if (!kept) {
      sharing.reading_since.reset();
      co_return;
    }
    const auto steady = parts_.steady.now();
    const auto now = parts_.wall.now();
    // A machine that slept has not heard of others meanwhile.
    if (!sharing.reading_since || steady - sharing.read_at > kBreak) sharing.reading_since = steady;
    sharing.read_at = steady;
    sharing.reader.watched = std::chrono::duration_cast<Milliseconds>(steady - *sharing.reading_since);

    auto book = SharedNoticeBook::from_json(base::as_text(*kept));
    const auto before = book.to_json();
    const auto alerts = alerts_for(channel, AlertScope::installation);
    if (!sharing.told_alone.empty()) book.adopt(SharedNoticeBook::from_json(sharing.told_alone), sharing.reader, now);
    book.settle(sharing.delivered, sharing.reader, now);
    book.note(alerts, sharing.reader, now);
    // Another server's line to the relay is good: what this one could not tell has been told.
    if (sharing.delivered_before_failure && book.delivered_at() != *sharing.delivered_before_failure) begin_anew(state, channel);
    std::optional<Notice> notice;
    if (!failed && told < kTellInARow && steady >= state.not_before) notice = book.claim(alerts, settings.rhythm, sharing.reader, now);

    if (auto after = book.to_json(); after != before || !sharing.told_alone.empty()) {
      const auto done = co_await keep_shared(channel, *kept, std::move(after));
      if (!done && done.error().reason == "meta" && ++refused < kTriesInARow) continue;
      if (!done) co_return;
    }
    if (!notice) co_return;
    auto done = co_await deliver(channel, settings, *notice);
    if (done) {
      note_success(state, channel, *std::move(done));
      sharing.delivered.push_back(*std::move(notice));
      ++told;
    } else {
      note_failure(state, channel, done.error());
      sharing.delivered_before_failure = book.delivered_at();
      failed = true;
    }
    // Once more round: the book hears of it, and others need not wait for the claim to pass.
  }
}

Task<Result<void>> Notices::keep_shared(Channel channel, Bytes as_read, std::string book) {
  auto& state = state_of(channel);
  auto& sharing = state.sharing;
  store::Batch batch{store::CompareMeta{book_key(channel, std::nullopt), std::move(as_read)},
                     store::PutMeta{book_key(channel, std::nullopt), base::to_bytes(book)}};
  if (!sharing.told_alone.empty()) batch.push_back(store::PutMeta{book_key(channel, parts_.node), base::to_bytes(state.book.to_json())});
  auto done = co_await parts_.store.commit(std::move(batch), store::Urgency::bookkeeping);
  if (done) {
    sharing.delivered.clear();
    sharing.told_alone.clear();
  } else if (done.error().reason != "meta") {
    sharing.reading_since.reset();
    parts_.log.error("notice_book_not_kept", done.error());
  }
  co_return done;
}

}  // namespace latchkey::grants
