#include "delivery/shared_commit.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

#include "base/pool.h"

namespace latchkey::delivery {
namespace {

using Resume = std::move_only_function<void(bool)>;

constexpr std::size_t kGroupMax = 64;

Error cut_off(ErrorKind kind, std::string reason) {
  return {.kind = kind, .reason = std::move(reason), .text = "The server stops. Send the document again in a minute."};
}

// One version of one grant is counted up once for all who go by it. Two versions are left to the store to refuse: who went
// by the older one has to look again.
bool is_there(const store::Batch& batch, const store::Mutation& mutation) {
  const auto* update = std::get_if<store::UpdateGrant>(&mutation);
  return update != nullptr && std::ranges::any_of(batch, [&](const store::Mutation& each) {
           const auto* before = std::get_if<store::UpdateGrant>(&each);
           return before != nullptr && before->grant.id == update->grant.id &&
                  before->grant.version == update->grant.version;
         });
}

void add(store::Batch& whole, const store::Batch& part) {
  std::ranges::copy_if(part, std::back_inserter(whole), [&](const store::Mutation& each) { return !is_there(whole, each); });
}

// Whether each member alone may fare better than all together did. A statement that the store refuses is one member's, whatever is
// wrong with it.
bool may_be_ones_fault(const Error& error) { return error.kind != ErrorKind::ambiguous && error.kind != ErrorKind::unavailable; }

struct Request {
  Resume turn{};     // waits for its group
  Resume settled{};  // waits for its outcome
  std::optional<Result<store::Batch>> part{};
  std::optional<Result<void>> outcome{};
};
using Group = std::vector<std::shared_ptr<Request>>;

}  // namespace

class SharedCommit::State {
 public:
  explicit State(store::Store& store) : store_(store) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void enter(const std::shared_ptr<Request>& request, Resume resume) {
    {
      const std::lock_guard lock(mutex_);
      if (!group_.empty()) {
        request->turn = std::move(resume);
        waiting_.push_back(request);
        return;
      }
      group_.push_back(request);
      unready_ = 1;
    }
    resume(true);
  }

  // True: all of the group are ready, and the caller commits for them.
  [[nodiscard]] bool ready(Request& request, Result<store::Batch> part) {
    const std::lock_guard lock(mutex_);
    request.part = std::move(part);
    return --unready_ == 0;
  }

  [[nodiscard]] Task<Result<void>> commit(store::Batch batch) { co_return co_await store_.commit(std::move(batch)); }
  // For whoever commits: it stays as it is until settle().
  [[nodiscard]] const Group& group() const { return group_; }

  // Tells the group its outcomes, in its order; the next group's turn has come.
  void settle(std::vector<Result<void>> outcomes) {
    std::vector<Resume> to_call;
    {
      const std::lock_guard lock(mutex_);
      for (std::size_t i = 0; i < group_.size(); ++i) {
        group_[i]->outcome = std::move(outcomes[i]);
        if (group_[i]->settled) to_call.push_back(std::exchange(group_[i]->settled, nullptr));
      }
      const auto count = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), kGroupMax));
      group_.assign(waiting_.begin(), waiting_.begin() + count);
      waiting_.erase(waiting_.begin(), waiting_.begin() + count);
      unready_ = group_.size();
      for (const auto& one : group_) to_call.push_back(std::exchange(one->turn, nullptr));
    }
    for (auto& resume : to_call) resume(true);
  }
  void settle_all(const Error& error) { settle(std::vector<Result<void>>(group_.size(), std::unexpected(error))); }

  void await_outcome(const std::shared_ptr<Request>& request, Resume resume) {
    {
      const std::lock_guard lock(mutex_);
      if (!request->outcome) {
        request->settled = std::move(resume);
        return;
      }
    }
    resume(true);
  }

 private:
  store::Store& store_;
  std::mutex mutex_;  // guards what follows
  Group group_;       // at work; empty: nobody is
  std::size_t unready_ = 0;
  std::deque<std::shared_ptr<Request>> waiting_;
};

// A request on its way through. Cut off at any point, it holds nobody else up.
class SharedCommit::Member {
 public:
  explicit Member(std::shared_ptr<State> state) : state_(std::move(state)), request_(std::make_shared<Request>()) {}
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;
  ~Member() {
    const auto stopped = cut_off(ErrorKind::unavailable, "store_unavailable");
    if (at_ == At::preparing && state_->ready(*request_, std::unexpected(stopped))) state_->settle_all(stopped);
    // What is at the store may be committed or not.
    if (at_ == At::committing) state_->settle_all(cut_off(ErrorKind::ambiguous, "commit_ambiguous"));
  }

  [[nodiscard]] Task<Result<void>> run(Make make) {
    auto enter = [this](Resume resume) {
      at_ = At::preparing;
      state_->enter(request_, std::move(resume));
    };
    (void)co_await base::suspend_until<bool>(std::move(enter));
    auto part = co_await make();
    const bool is_last = state_->ready(*request_, std::move(part));
    at_ = is_last ? At::committing : At::waiting;
    if (is_last) {
      auto outcomes = co_await commit_all();
      at_ = At::waiting;
      state_->settle(std::move(outcomes));
    }
    auto await = [this](Resume resume) { state_->await_outcome(request_, std::move(resume)); };
    (void)co_await base::suspend_until<bool>(std::move(await));
    co_return *request_->outcome;
  }

 private:
  enum class At { nowhere, preparing, committing, waiting };

  [[nodiscard]] Task<std::vector<Result<void>>> commit_all() {
    const auto& group = state_->group();
    std::vector<Result<void>> outcomes(group.size());
    std::vector<std::size_t> good;
    store::Batch whole;
    for (std::size_t i = 0; i < group.size(); ++i) {
      if (const auto& part = *group[i]->part) {
        good.push_back(i);
        add(whole, *part);
      } else {
        outcomes[i] = std::unexpected(part.error());
      }
    }
    if (good.empty()) co_return outcomes;
    const auto done = co_await state_->commit(std::move(whole));
    const bool each_alone = !done && good.size() > 1 && may_be_ones_fault(done.error());
    for (const auto i : good) {
      if (each_alone)
        outcomes[i] = co_await state_->commit(std::move(**group[i]->part));
      else
        outcomes[i] = done;
    }
    co_return outcomes;
  }

  std::shared_ptr<State> state_;
  std::shared_ptr<Request> request_;
  At at_ = At::nowhere;
};

SharedCommit::SharedCommit(store::Store& store) : state_(std::make_shared<State>(store)) {}

Task<Result<void>> SharedCommit::commit(Make make) {
  Member member(state_);
  co_return co_await member.run(std::move(make));
}

}  // namespace latchkey::delivery
