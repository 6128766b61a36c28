// First-run set-up: a one-time code, printed at the start of a server without administrators, makes the first one
// (RULES G7: 15 minutes, once).
//
// Invariants: the code exists in memory only, as a hash; it ends with its first success, with its time, with the process.
// Set-up is done when an administrator can sign in; of two browsers with one code, one wins.
// Concurrency: thread-safe.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "people/directory.h"

namespace latchkey::people {

class Setup {
 public:
  static constexpr std::chrono::minutes kLifetime{15};

  struct Parts {
    store::Store& store;
    Directory& directory;
    const vault::Vault& vault;
    const WallClock& wall;
    const SteadyClock& steady;
    Entropy& entropy;
  };
  explicit Setup(Parts parts);
  Setup(const Setup&) = delete;
  Setup& operator=(const Setup&) = delete;

  // No administrator can sign in.
  [[nodiscard]] Task<Result<bool>> needed();
  // A fresh code (the one before ends) for `/setup#code=...`; nullopt when set-up is not needed.
  [[nodiscard]] Task<Result<std::optional<std::string>>> issue_code();
  // When the present code ends; nullopt: there is none, or it has ended.
  [[nodiscard]] std::optional<WallTime> code_expires_at() const;

  struct Request {
    std::string code;
    std::string username;
    Secret password;
    std::string name{};
    std::string group{};  // empty: `Administrators`; made if absent
    std::string source{};
  };
  // The first administrator. Errors: conflict/`setup_done`, refused/`setup_code_invalid`, invalid with field (the code
  // stays good), those of the store.
  [[nodiscard]] Task<Result<store::User>> finish(Request request);

 private:
  [[nodiscard]] bool code_fits(std::string_view code) const;
  [[nodiscard]] Task<Result<GroupId>> group_named(std::string name, Actor actor);
  void restore_code(Bytes hash, SteadyTime ends);

  Parts parts_;
  mutable std::mutex mutex_;
  Bytes code_hash_;  // empty: no code
  SteadyTime ends_{};
};

}  // namespace latchkey::people
