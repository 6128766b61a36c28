#include "doctor/doctor.h"

#include <algorithm>

#include "base/run_on.h"

namespace latchkey::doctor {

// One examination under way; kept alive by whoever waits for it and by errands that have outstayed the deadline.
struct Doctor::Round {
  explicit Round(const Executor& executor) : changed(executor) {}

  struct Slot {
    std::string check;
    std::string subject;
    bool ended = false;
    std::vector<Finding> findings;
  };
  std::vector<Slot> slots;
  std::size_t open = 0;
  bool overdue = false;
  base::Broadcast changed;
  Survey survey;
  std::optional<Result<std::shared_ptr<const Report>>> outcome;
};

namespace {

// Ends an errand however its task ended.
class AtEnd {
 public:
  explicit AtEnd(std::move_only_function<void()> what) : what_(std::move(what)) {}
  AtEnd(const AtEnd&) = delete;
  AtEnd& operator=(const AtEnd&) = delete;
  ~AtEnd() { what_(); }

 private:
  std::move_only_function<void()> what_;
};

Finding unfinished(std::string check, std::string subject) {
  return {.check = std::move(check),
          .subject = std::move(subject),
          .severity = Severity::warning,
          .seen = "This came to no end within " + std::to_string(Doctor::kPatience.count()) + " seconds.",
          .remedy =
              "Something does not answer: most often DNS or a firewall that drops packets. Look at the other findings "
              "first, then try again.",
          .handovers = {}};
}

void move_findings(const std::string& check, std::vector<Finding>& from, Severity severity, std::vector<Finding>& to) {
  for (auto& finding : from) {
    if (finding.severity != severity) continue;
    finding.check = check;
    to.push_back(std::move(finding));
  }
}

}  // namespace

Doctor::Doctor(Parts parts) : parts_(std::move(parts)), group_(parts_.executor, parts_.log) {}
Doctor::~Doctor() = default;

Task<Result<std::shared_ptr<const Report>>> Doctor::examine() { co_return co_await run_on(parts_.executor, join()); }

std::shared_ptr<const Report> Doctor::last() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

Task<Result<std::shared_ptr<const Report>>> Doctor::join() {
  if (stopping_) co_return fail(ErrorKind::unavailable, "stopping", "The server is stopping.");
  if (const auto known = last(); known && !round_ && parts_.steady.now() - ended_at_ < kFreshFor) co_return known;
  if (!round_) {
    round_ = std::make_shared<Round>(parts_.executor);
    group_.spawn("doctor", run(round_));
  }
  const auto round = round_;
  while (!round->outcome) co_await round->changed.wait();
  co_return *round->outcome;
}

Task<void> Doctor::run(std::shared_ptr<Round> round) {
  // If it is cancelled, nobody waits for ever.
  const AtEnd over([this, round] {
    if (!round->outcome) round->outcome = fail(ErrorKind::unavailable, "stopping", "The server is stopping.");
    round_ = nullptr;
    ended_at_ = parts_.steady.now();
    round->changed.notify_all();
  });
  const auto began = parts_.steady.now();
  auto survey = co_await take_survey(parts_.ground);
  if (!survey) {
    round->outcome = std::unexpected(survey.error());
    co_return;
  }
  round->survey = std::move(*survey);
  std::vector<Task<std::vector<Finding>>> tasks;
  for (const auto& check : parts_.checks) {
    for (auto& errand : check->errands(round->survey)) {
      round->slots.push_back({.check = std::string(check->name()), .subject = std::move(errand.subject), .findings = {}});
      tasks.push_back(std::move(errand.task));
    }
  }
  for (std::size_t index = 0; index < tasks.size(); ++index) {
    ++round->open;
    if (!group_.spawn("doctor's errand", do_errand(round, index, std::move(tasks[index])))) --round->open;
  }
  group_.spawn("doctor's deadline", ring(round, &parts_.steady));
  while (round->open > 0 && !round->overdue) co_await round->changed.wait();
  auto report = std::make_shared<Report>();
  report->examined_at = parts_.wall.now();
  report->took = std::chrono::duration_cast<Milliseconds>(parts_.steady.now() - began);
  for (auto& slot : round->slots) {
    if (!slot.ended) slot.findings = {unfinished(slot.check, slot.subject)};
  }
  for (const auto& check : parts_.checks) {
    for (const auto severity : {Severity::error, Severity::warning, Severity::note, Severity::ok}) {
      for (auto& slot : round->slots) {
        if (slot.check == check->name()) move_findings(slot.check, slot.findings, severity, report->findings);
      }
    }
  }
  parts_.log.info(
      "examined",
      {{"findings", report->findings.size()}, {"worst", name_of(report->worst())}, {"ms", report->took.count()}});
  {
    const std::lock_guard lock(mutex_);
    last_ = report;
  }
  round->outcome = std::shared_ptr<const Report>(std::move(report));
}

Task<void> Doctor::ring(std::shared_ptr<Round> round, SteadyClock* steady) {
  co_await steady->sleep_for(kPatience);
  round->overdue = true;
  round->changed.notify_all();
}

// What throws counts as unfinished; the group logs it.
Task<void> Doctor::do_errand(std::shared_ptr<Round> round, std::size_t index, Task<std::vector<Finding>> task) {
  const AtEnd over([round] {
    if (--round->open == 0) round->changed.notify_all();
  });
  auto findings = co_await std::move(task);
  if (round->outcome) co_return;  // too late
  round->slots[index].findings = std::move(findings);
  round->slots[index].ended = true;
}

Task<void> Doctor::stop() { co_await run_on(parts_.executor, stop_here()); }

Task<void> Doctor::stop_here() {
  stopping_ = true;
  co_await group_.cancel_and_wait();
}

}  // namespace latchkey::doctor
