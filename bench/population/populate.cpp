// Fills a new data folder with users who hold a grant each, as the server itself would have stored them: every key pair,
// wrap, seal and MAC is real, so that the server opens and refreshes what it finds. Only the PIN's Argon2id cost is the
// least there is. No server may run on the folder meanwhile (the store locks it).
//
// populate DATA USERS TYPE ISSUER PROVIDER_FILE now|later|hollow|storm|steady
//
// Users user000000... in 20 groups, all with the PIN `bench-PIN-42` and the use `token`. ISSUER is the address of the
// provider in PROVIDER_FILE, which is copied into the folder. `now`: every grant is due for its refresh; `later`: none is
// for twelve hours, and one in a thousand waits for a person; `hollow`: as `later`, but keys and ciphertexts are of the
// right length only and open nothing, which is quicker to make (MACs are real: the server believes the records). `storm`,
// `steady`: for a million grants that are refreshed but never handed out: as `hollow`, but refresh tokens are real and sealed to
// one key pair; due at once, or evenly over the next 20 minutes.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <thread>

#include "base/entropy.h"
#include "base/log.h"
#include "grants/sealing.h"
#include "people/user_seal.h"
#include "store/sqlite/sqlite_store.h"

namespace latchkey::bench {
namespace {

constexpr int kGroups = 20;
constexpr int kUsersPerBatch = 500;
constexpr vault::PinCost kLeastCost{.memory_kib = 8, .passes = 1};
constexpr std::string_view kPin = "bench-PIN-42";
constexpr std::string_view kProvider = "bench";
constexpr std::size_t kAccessTokenBytes = 1500;
constexpr std::size_t kRefreshTokenBytes = 900;
constexpr std::size_t kWrapBytes = 150;  // about what sealing adds, and a sealed key
constexpr Seconds kAccessLifetime = std::chrono::hours(24);
constexpr Seconds kPolling = std::chrono::minutes(20);

enum class Kind { due_now, due_later, hollow, storm, steady };
constexpr std::array<std::pair<std::string_view, Kind>, 5> kKinds{{{"now", Kind::due_now}, {"later", Kind::due_later},
                                                                   {"hollow", Kind::hollow}, {"storm", Kind::storm}, {"steady", Kind::steady}}};

struct Wish {
  std::string data;
  int users = 0;
  std::string type;
  std::string issuer;
  std::string provider_file;
  Kind kind = Kind::due_later;
};

void must(const Result<void>& done) {
  if (done) return;
  fmt::print(stderr, "populate: {} {} {}\n", done.error().reason, done.error().text, done.error().detail);
  std::exit(1);
}

Result<void> wait_for(Task<Result<void>> task) {
  // Of the thread, not of the call: whoever woke it may still be busy with its insides when the task has ended.
  thread_local boost::asio::io_context loop(1);
  loop.restart();
  std::optional<Result<void>> result;
  boost::asio::co_spawn(loop, std::move(task), [&result](const std::exception_ptr& problem, Result<void> value) {
    if (problem) std::rethrow_exception(problem);
    result.emplace(std::move(value));
  });
  loop.run();
  return std::move(*result);
}

// A resource; its methods may be called from several threads.
class Population {
 public:
  Population(const Wish& wish, const vault::Vault& vault) : wish_(wish), vault_(vault) {
    for (int i = 0; i < kGroups; ++i) {
      const auto name = fmt::format("Group {:02}", i);
      groups_.push_back({.id = GroupId::make(clock_.now(), entropy_), .name = name, .name_key = fmt::format("group {:02}", i),
                         .created_at = clock_.now()});
    }
  }

  [[nodiscard]] store::Batch groups_and_app() {
    store::Batch batch;
    for (const auto& group : groups_) batch.push_back(store::InsertGroup{group});
    store::App app{.id = std::string(kProvider), .provider = std::string(kProvider), .client_id = "bench-client",
                   .token_origin = wish_.issuer, .params_json = fmt::format(R"({{"issuer":"{}"}})", wish_.issuer),
                   .created_at = clock_.now(), .version = 0};
    app.secrets[0] = {.sealed = sealing_.seal_app_secret(app, 0, Secret("bench-secret")), .set_at = clock_.now()};
    sealing_.vouch(app);
    batch.push_back(store::PutApp{std::move(app)});
    return batch;
  }

  [[nodiscard]] store::Batch users(int first, int end) {
    store::Batch batch;
    for (int number = first; number < end; ++number) add_user(batch, number);
    return batch;
  }

 private:
  void add_user(store::Batch& batch, int number) {
    const auto now = clock_.now();
    store::User user;
    user.id = UserId::make(now, entropy_);
    user.group = groups_[static_cast<std::size_t>(number % kGroups)].id;
    user.username = user.username_key = fmt::format("user{:06}", number);
    user.name = fmt::format("Person Number {}", number);
    user.email = fmt::format("person{}@example.org", number);
    user.uses |= store::kUseToken;
    const auto user_keys = new_keys();
    user.public_key.assign(user_keys.public_key.begin(), user_keys.public_key.end());
    user.private_key_wrapped =
        !real_keys()
            ? Bytes(kWrapBytes, 1)
            : vault_.wrap_user_key(user.id, user_keys.public_key, user_keys.private_key, Secret(kPin), kLeastCost);
    user.pin_set_at = user.created_at = now;
    user_seal_.vouch(user);

    const auto grant_keys = new_keys();
    auto grant = grant_of(user, grant_keys.public_key, number, now);
    store::Generation generation{.grant = grant.id, .number = 1, .access_expires_at = grant.access_expires_at, .issued_at = now};
    store::Wrap wrap;
    if (!real_keys()) {
      const auto holder = user.id.bytes();
      generation.refresh_sealed = wish_.kind == Kind::hollow
                                      ? Bytes(kRefreshTokenBytes + kWrapBytes, 2)
                                      : sealing_.seal_refresh(grant, 1, {token_of("rt", number, kRefreshTokenBytes), Secret()});
      generation.access_sealed = Bytes(kAccessTokenBytes + kWrapBytes, 3);
      wrap = {.grant = grant.id, .holder = Bytes(holder.begin(), holder.end()), .private_key_sealed = Bytes(kWrapBytes, 4), .created_at = now};
    } else {
      generation.refresh_sealed = sealing_.seal_refresh(grant, 1, {token_of("rt", number, kRefreshTokenBytes), Secret()});
      generation.access_sealed = sealing_.seal_access(grant, 1, token_of("at", number, kAccessTokenBytes));
      wrap = sealing_.wrap_for_user(grant, user.public_key, grant_keys.private_key, now);
    }

    batch.push_back(store::InsertUser{std::move(user)});
    batch.push_back(store::InsertGrant{std::move(grant)});
    batch.push_back(store::PutGeneration{std::move(generation)});
    batch.push_back(store::PutWrap{std::move(wrap)});
  }

  // Whether PINs and tokens open.
  [[nodiscard]] bool real_keys() const { return wish_.kind == Kind::due_now || wish_.kind == Kind::due_later; }
  [[nodiscard]] vault::KeyPair new_keys() const {
    if (real_keys()) return vault_.make_key_pair();
    return {.public_key = shared_keys_.public_key, .private_key = Secret()};
  }
  [[nodiscard]] static Secret token_of(std::string_view kind, int number, std::size_t size_bytes) {
    auto token = fmt::format("{}-{:06}-", kind, number);
    token.resize(size_bytes, 'x');
    return Secret(token);
  }

  [[nodiscard]] store::Grant grant_of(const store::User& user, const vault::PublicKey& key, int number, WallTime now) {
    store::Grant grant;
    grant.id = GrantId::make(now, entropy_);
    grant.user = user.id;
    grant.type = wish_.type;
    grant.app = kProvider;
    grant.account_id = fmt::format("account-{}", number);
    grant.account_name = user.email;
    grant.scopes = "files";
    grant.public_key.assign(key.begin(), key.end());
    grant.generation = 1;
    grant.issued_at = grant.last_refreshed_at = grant.created_at = now;
    grant.access_expires_at = now + kAccessLifetime;
    grant.due_at = due_of(number, now);
    if ((wish_.kind == Kind::due_later || wish_.kind == Kind::hollow) && number % 1000 == 0) {
      grant.state = store::GrantState::needs_authorization;
      grant.why = "The provider says that the authorization has ended.";
      grant.due_at.reset();
    }
    sealing_.vouch(grant);
    return grant;
  }

  [[nodiscard]] WallTime due_of(int number, WallTime now) const {
    switch (wish_.kind) {
      case Kind::due_now:
      case Kind::storm: return now;
      case Kind::steady: return now + Milliseconds(Milliseconds(kPolling).count() * number / wish_.users);
      case Kind::due_later:
      case Kind::hollow: break;
    }
    return now + kAccessLifetime / 2 + Seconds(number % 1200);
  }

  const Wish& wish_;
  const vault::Vault& vault_;
  const vault::KeyPair shared_keys_ = vault_.make_key_pair();
  base::SystemEntropy entropy_;
  base::SystemWallClock clock_;
  grants::Sealing sealing_{vault_};
  people::UserSeal user_seal_{vault_};
  std::vector<store::Group> groups_;
};

void fill(const Wish& wish) {
  namespace fs = std::filesystem;
  fs::create_directories(wish.data + "/providers");
  fs::permissions(wish.data, fs::perms::owner_all);
  fs::copy_file(wish.provider_file, wish.data + "/providers/bench.json", fs::copy_options::overwrite_existing);
  base::SystemEntropy entropy;
  base::SystemWallClock clock;
  base::StreamLog log(2, base::LogLevel::warning, clock);
  auto key = vault::load_master_key(wish.data + "/master.key", vault::OnMissingKey::create, entropy);
  if (!key) must(std::unexpected(key.error()));
  const vault::Vault vault(std::move(*key), entropy);
  auto store = store::open_sqlite_store({.path = wish.data + "/latchkey.db"}, clock, log);
  if (!store) must(std::unexpected(store.error()));

  Population population(wish, vault);
  must(wait_for((*store)->commit(population.groups_and_app())));
  // Sealing is the work: it goes to all processors, a few batches ahead of the one that is written.
  const std::size_t ahead = std::max(2u, std::thread::hardware_concurrency());
  std::deque<std::future<store::Batch>> coming;
  for (int next = 0; next < wish.users || !coming.empty();) {
    for (; next < wish.users && coming.size() < ahead; next += kUsersPerBatch) {
      const int end = std::min(wish.users, next + kUsersPerBatch);
      coming.push_back(std::async(std::launch::async, [&population, next, end] { return population.users(next, end); }));
    }
    auto batch = coming.front().get();
    coming.pop_front();
    must(wait_for((*store)->commit(std::move(batch), store::Urgency::bookkeeping)));
  }
}

}  // namespace
}  // namespace latchkey::bench

int main(int count, char** arguments) {
  const std::string_view when = count == 7 ? arguments[6] : "";
  const auto* kind = std::ranges::find(latchkey::bench::kKinds, when, [](const auto& each) { return each.first; });
  if (kind == latchkey::bench::kKinds.end()) {
    fmt::print(stderr, "populate DATA USERS TYPE ISSUER PROVIDER_FILE now|later|hollow|storm|steady\n");
    return 2;
  }
  latchkey::bench::fill({.data = arguments[1], .users = std::atoi(arguments[2]), .type = arguments[3], .issuer = arguments[4],
                         .provider_file = arguments[5], .kind = kind->second});
}
