#include "store/postgres/postgres_store.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <mutex>

#include "base/pool.h"
#include "store/admittance.h"
#include "store/postgres/standing_line.h"
#include "store/postgres/queries.h"
#include "store/postgres/schema.h"
#include "store/postgres/writer.h"

namespace latchkey::store {
namespace {

using namespace postgres;  // this file's own lower half

// The readers' connections: as many as the pool has threads, so that borrowing never waits.
class Readers {
 public:
  explicit Readers(std::vector<std::unique_ptr<StandingLine>> lines) : idle_(std::move(lines)) {}
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;

  [[nodiscard]] std::unique_ptr<StandingLine> borrow() {
    const std::lock_guard lock(mutex_);
    LATCHKEY_CHECK(!idle_.empty());
    auto line = std::move(idle_.back());  // the warmest one
    idle_.pop_back();
    return line;
  }
  void give_back(std::unique_ptr<StandingLine> line) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(line));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<StandingLine>> idle_;
};

class PostgresStore final : public Store {
 public:
  PostgresStore(std::unique_ptr<Place> place, const PostgresOptions& options, std::unique_ptr<Connection> first, Log& log)
      : clock_(options.clock),
        place_(std::move(place)),
        pool_("store-reader", options.reader_connections),
        readers_(lines(Access::reader, options.reader_connections, nullptr, log)),
        writers_(lines(Access::writer, options.writer_connections, std::move(first), log), options.clock, options.figures, log) {}

  Task<Result<void>> commit(Batch batch, Urgency urgency) override {
    auto start = [writers = &writers_, batch = std::move(batch), urgency](auto resume) mutable {
      writers->enqueue(std::move(batch), urgency, std::move(resume));
    };
    co_return co_await base::suspend_until<Result<void>>(std::move(start));
  }
  Task<Result<WallTime>> now() override {
    if (clock_ != nullptr) co_return clock_->now();
    co_return co_await read([](Connection& db) { return find_now(db); });
  }

  Task<Result<std::vector<GroupRow>>> groups() override {
    return read([](Connection& db) { return find_groups(db); });
  }
  Task<Result<std::optional<Group>>> group(GroupId id) override {
    return read([id](Connection& db) { return find_group(db, id); });
  }
  Task<Result<std::optional<Group>>> group_by_name_key(std::string name_key) override {
    return read([name_key = std::move(name_key)](Connection& db) { return find_group_by_name_key(db, name_key); });
  }
  Task<Result<std::optional<User>>> user(UserId id) override {
    return read([id](Connection& db) { return find_user(db, id); });
  }
  Task<Result<std::optional<User>>> user_by_key(std::string username_key) override {
    return read([key = std::move(username_key)](Connection& db) { return find_user_by_key(db, key); });
  }
  Task<Result<Listing<UserRow>>> users(UserQuery query) override {
    return read([query = std::move(query)](Connection& db) { return list_users(db, query); });
  }
  Task<Result<std::int64_t>> count_administrators() override {
    return read([](Connection& db) { return postgres::count_administrators(db); });
  }
  Task<Result<std::vector<PinFailureCount>>> pin_failures(UserId user) override {
    return read([user](Connection& db) { return find_pin_failures(db, user); });
  }
  Task<Result<std::int64_t>> spray_count(std::string bucket, WallTime since) override {
    return read([bucket = std::move(bucket), since](Connection& db) { return count_spray(db, bucket, since); });
  }
  Task<Result<std::vector<KnownSource>>> known_sources(UserId user) override {
    return read([user](Connection& db) { return find_known_sources(db, user); });
  }
  Task<Result<std::vector<App>>> apps() override {
    return read([](Connection& db) { return find_apps(db); });
  }
  Task<Result<std::optional<App>>> app(std::string id) override {
    return read([id = std::move(id)](Connection& db) { return find_app(db, id); });
  }
  Task<Result<std::optional<GrantView>>> grant(GrantId id) override {
    return read([id](Connection& db) { return find_grant(db, id); });
  }
  Task<Result<std::vector<Grant>>> grants_of_user(UserId user) override {
    return read([user](Connection& db) { return find_grants_of_user(db, user); });
  }
  Task<Result<std::optional<Holding>>> holding(UserId user, std::string type) override {
    return read([user, type = std::move(type)](Connection& db) { return find_holding(db, user, type); });
  }
  Task<Result<std::vector<Grant>>> grants_of_app(std::string app, std::size_t limit) override {
    return read([app = std::move(app), limit](Connection& db) { return find_grants_of_app(db, app, limit); });
  }
  Task<Result<std::optional<Grant>>> grant_by_account(std::string app, std::string type, std::string account_id) override {
    return read([app = std::move(app), type = std::move(type), account_id = std::move(account_id)](Connection& db) {
      return find_grant_by_account(db, app, type, account_id);
    });
  }
  Task<Result<std::vector<Wrap>>> wraps(GrantId grant) override {
    return read([grant](Connection& db) { return find_wraps(db, grant); });
  }
  Task<Result<std::vector<DueGrant>>> due_grants(NodeId node, WallTime until, std::size_t limit,
                                                 std::vector<std::string> without_apps) override {
    const auto now = clock_ == nullptr ? std::nullopt : std::optional(clock_->now());
    return read([node, until, now, limit, without = std::move(without_apps)](Connection& db) {
      return take_due_grants(db, node, until, now, limit, without);
    });
  }
  Task<Result<std::vector<Intent>>> open_intents(std::size_t limit) override {
    return read([limit](Connection& db) { return find_open_intents(db, limit); });
  }
  Task<Result<std::vector<GrantAge>>> aged_grants(AgeQuery query) override {
    return read([query = std::move(query)](Connection& db) { return find_aged_grants(db, query); });
  }
  Task<Result<std::vector<StateCount>>> grant_states() override {
    return read([](Connection& db) { return count_grant_states(db); });
  }
  Task<Result<std::vector<TypeStateCount>>> grants_by_type() override {
    return read([](Connection& db) { return count_grants_by_type(db); });
  }
  Task<Result<std::vector<std::int64_t>>> grant_histogram(GrantMoment moment, std::vector<WallTime> edges) override {
    return read([moment, edges = std::move(edges)](Connection& db) { return make_grant_histogram(db, moment, edges); });
  }
  Task<Result<std::vector<Grant>>> sharers(SharersQuery query) override {
    return read([query = std::move(query)](Connection& db) { return find_sharers(db, query); });
  }
  Task<Result<std::vector<GrantEvent>>> grant_events(GrantId grant) override {
    return read([grant](Connection& db) { return find_grant_events(db, grant); });
  }
  Task<Result<Listing<Revocation>>> revocations(WallTime due_until, std::size_t limit) override {
    return read([due_until, limit](Connection& db) { return find_revocations(db, due_until, limit); });
  }
  Task<Result<std::vector<Tally>>> tallies(std::string prefix, WallTime since) override {
    return read([prefix = std::move(prefix), since](Connection& db) { return find_tallies(db, prefix, since); });
  }
  Task<Result<std::vector<Revocation>>> revocations_after(RevocationId after, std::size_t limit) override {
    return read([after, limit](Connection& db) { return find_revocations_after(db, after, limit); });
  }
  Task<Result<std::vector<Connector>>> connectors() override {
    return read([](Connection& db) { return find_connectors(db); });
  }
  Task<Result<std::optional<Connector>>> connector(std::string id) override {
    return read([id = std::move(id)](Connection& db) { return find_connector(db, id); });
  }
  Task<Result<Admittance>> admittance(AdmittanceQuery query) override {
    return read([query = std::move(query)](Connection& db) { return find_admittance(db, query); });
  }
  Task<Result<std::optional<Delivery>>> delivery(DeliveryId id) override {
    return read([id](Connection& db) { return find_delivery(db, id); });
  }
  Task<Result<std::optional<Delivery>>> delivery_by_key(UserId submitter, DeviceId device, std::string idempotency_key) override {
    return read([submitter, device, key = std::move(idempotency_key)](Connection& db) {
      return find_delivery_by_key(db, submitter, device, key);
    });
  }
  Task<Result<std::vector<Device>>> devices() override {
    return read([](Connection& db) { return find_devices(db); });
  }
  Task<Result<std::optional<Device>>> device(DeviceId id) override {
    return read([id](Connection& db) { return find_device(db, id); });
  }
  Task<Result<std::optional<Device>>> device_by_name_key(std::string name_key) override {
    return read([key = std::move(name_key)](Connection& db) { return find_device_by_name_key(db, key); });
  }
  Task<Result<Listing<Delivery>>> deliveries(DeliveryQuery query) override {
    return read([query = std::move(query)](Connection& db) { return list_deliveries(db, query); });
  }
  Task<Result<std::vector<Delivery>>> due_deliveries(NodeId node, WallTime until, std::size_t limit) override {
    return read([node, until, limit](Connection& db) { return find_due_deliveries(db, node, until, limit); });
  }
  Task<Result<std::vector<DeliveryStateCount>>> delivery_states() override {
    return read([](Connection& db) { return count_delivery_states(db); });
  }
  Task<Result<std::vector<Delivery>>> deliveries_after(DeliveryId after, std::size_t limit) override {
    return read([after, limit](Connection& db) { return find_deliveries_after(db, after, limit); });
  }
  Task<Result<std::vector<HandoutCount>>> handouts(GrantId grant, WallTime since) override {
    return read([grant, since](Connection& db) { return find_handouts(db, grant, since); });
  }
  Task<Result<std::optional<Authorization>>> authorization(AuthorizationId id) override {
    return read([id](Connection& db) { return find_authorization(db, id); });
  }
  Task<Result<std::optional<Authorization>>> authorization_by_ticket(Bytes ticket_hash) override {
    return read([hash = std::move(ticket_hash)](Connection& db) { return find_authorization_by_ticket(db, hash); });
  }
  Task<Result<std::optional<Authorization>>> authorization_by_state(Bytes state_hash) override {
    return read([hash = std::move(state_hash)](Connection& db) { return find_authorization_by_state(db, hash); });
  }
  Task<Result<std::optional<Authorization>>> authorization_reserving(std::string username_key) override {
    return read([key = std::move(username_key)](Connection& db) { return find_authorization_reserving(db, key); });
  }
  Task<Result<std::vector<Authorization>>> expired_authorizations(WallTime now, std::size_t limit) override {
    return read([now, limit](Connection& db) { return find_expired_authorizations(db, now, limit); });
  }
  Task<Result<std::vector<Authorization>>> pending_authorizations(std::size_t limit) override {
    return read([limit](Connection& db) { return find_pending_authorizations(db, limit); });
  }
  Task<Result<std::optional<Session>>> session(Bytes token_hash) override {
    return read([hash = std::move(token_hash)](Connection& db) { return find_session(db, hash); });
  }
  Task<Result<std::vector<Setting>>> settings() override {
    return read([](Connection& db) { return find_settings(db); });
  }
  Task<Result<Listing<AuditEntry>>> audit(AuditQuery query) override {
    return read([query = std::move(query)](Connection& db) { return list_audit(db, query); });
  }
  Task<Result<std::optional<std::int64_t>>> verify_audit() override {
    return read([](Connection& db) { return verify_audit_chain(db); });
  }
  Task<Result<std::vector<Node>>> nodes() override {
    return read([](Connection& db) { return find_nodes(db); });
  }
  Task<Result<Bytes>> meta(std::string key) override {
    return read([key = std::move(key)](Connection& db) { return find_meta(db, key); });
  }
  Task<Result<std::vector<User>>> users_after(UserId after, std::size_t limit) override {
    return read([after, limit](Connection& db) { return find_users_after(db, after, limit); });
  }
  Task<Result<std::vector<Grant>>> grants_after(GrantId after, std::size_t limit) override {
    return read([after, limit](Connection& db) { return find_grants_after(db, after, limit); });
  }
  Task<Result<std::vector<Authorization>>> authorizations_after(AuthorizationId after, std::size_t limit) override {
    return read([after, limit](Connection& db) { return find_authorizations_after(db, after, limit); });
  }

 private:
  // `question` is called on a reader's thread; it holds values only, and is asked twice where the line breaks under it.
  template <class Question>
  auto read(Question question) -> Task<std::invoke_result_t<Question&, Connection&>> {
    using Value = std::invoke_result_t<Question&, Connection&>;
    return pool_.run([readers = &readers_, question = std::move(question)]() mutable -> Value {
      auto line = readers->borrow();
      Value answer = std::unexpected(Error{});
      for (int attempt = 0; attempt < 2; ++attempt) {
        const auto db = line->get();
        if (!db) {
          answer = std::unexpected(db.error());
          break;
        }
        answer = question(**db);
        if (answer.has_value() || (*db)->alive()) break;
      }
      readers->give_back(std::move(line));
      return answer;
    });
  }

  [[nodiscard]] std::vector<std::unique_ptr<StandingLine>> lines(Access access, std::size_t count, std::unique_ptr<Connection> first,
                                                                  Log& log) const {
    std::vector<std::unique_ptr<StandingLine>> made;
    for (std::size_t i = 0; i < std::max<std::size_t>(count, 1); ++i) made.push_back(std::make_unique<StandingLine>(*place_, access, log));
    made.front()->adopt(std::move(first));
    return made;
  }

  const WallClock* clock_;
  std::unique_ptr<Place> place_;
  base::Pool pool_;
  Readers readers_;
  Writers writers_;
};

std::unexpected<Error> bad_url(std::string text) {
  return fail(ErrorKind::misconfigured, "bad_store_url", std::move(text), {.field = "store"});
}

}  // namespace

Result<std::string> check_postgres_url(const std::string& url, UrlGivenIn given_in) {
  const bool configured = given_in == UrlGivenIn::configuration;
  char* problem = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconninfoParse(url.c_str(), &problem), &PQconninfoFree);
  const std::string words = problem == nullptr ? "" : problem;
  PQfreemem(problem);
  if (!url.starts_with("postgresql://") && !url.starts_with("postgres://")) {
    return bad_url(configured ? "must be \"sqlite\" or an address such as postgresql://latchkey@db.example/latchkey"
                              : "must be the address of a PostgreSQL database, such as postgresql://latchkey@db.example/latchkey");
  }
  if (options == nullptr) return bad_url("must be an address such as postgresql://latchkey@db.example/latchkey (libpq cannot read this one)");
  std::string host, port, database;
  for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
    const std::string_view key = option->keyword;
    const std::string value = option->val == nullptr ? "" : option->val;
    if (key == "password" && !value.empty()) {
      return bad_url(fmt::format("must not hold a password: write it into a file that only the service may read and name that with {} "
                                 "(or use libpq's own ~/.pgpass)",
                                 configured ? "store_password_file" : "--password-file"));
    }
    if (key == "host") host = value;
    if (key == "hostaddr" && host.empty()) host = value;
    if (key == "port") port = value;
    if (key == "dbname") database = value;
  }
  if (database.empty()) return bad_url("must name a database, such as postgresql://latchkey@db.example/latchkey");
  return fmt::format("{} at {}{}", database, host.empty() ? "the local socket" : host, port.empty() ? "" : ":" + port);
}

Result<OpenedPostgres> open_postgres_store(PostgresOptions options, Log& log) {
  auto display = check_postgres_url(options.url);
  if (!display) return std::unexpected(display.error());
  auto place = std::make_unique<Place>(Place{options.url, options.password.clone(), *std::move(display), options.lineage});
  auto first = Connection::open(*place, Access::writer);
  if (!first) return std::unexpected(first.error());
  if (auto ready = bring_up_to_date(**first, *place, options.program_version); !ready) return std::unexpected(ready.error());
  const auto moving = number(**first, {"SELECT count(*) FROM store_info WHERE key = 'moving_from'"});
  if (!moving) return std::unexpected(moving.error());
  if (*moving > 0) {
    return fail(ErrorKind::misconfigured, "half_moved",
                fmt::format("The move of an installation into the database {} was begun and not finished. Run `latchkey migrate --to {}` again on "
                            "the machine it came from; it goes on where it stopped.", place->display, options.url), {.field = "store"});
  }
  const auto kept = number(**first, {"SELECT count(*) FROM (SELECT 1 FROM meta LIMIT 1) AS any_row"});
  if (!kept) return std::unexpected(kept.error());
  return OpenedPostgres{.store = std::make_unique<PostgresStore>(std::move(place), options, *std::move(first), log), .fresh = *kept == 0};
}

Result<Bytes> postgres_master_key_id(const PostgresOptions& options) {
  auto display = check_postgres_url(options.url);
  if (!display) return std::unexpected(display.error());
  const auto database = Connection::open({options.url, options.password.clone(), *std::move(display)}, Access::writer);
  if (!database) return std::unexpected(database.error());
  const auto tables = number(**database, {"SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass('meta')"});
  if (!tables) return std::unexpected(tables.error());
  Bytes id;
  if (*tables == 0) return id;
  auto rows = (*database)->ask({"SELECT value FROM meta WHERE key = 'master_key_id'"});
  if (!rows) return std::unexpected(rows.error());
  if (rows->row()) rows->read(id);
  return id;
}

}  // namespace latchkey::store
