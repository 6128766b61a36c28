#include "store/sqlite/sqlite_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <mutex>

#include "base/pool.h"
#include "store/admittance.h"
#include "store/data_lock.h"
#include "store/sqlite/queries.h"
#include "store/sqlite/reader_connections.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/writer.h"

namespace latchkey::store {
namespace {

using namespace sqlite;  // this file's own lower half

constexpr std::int64_t kWriterCacheBytes = 2 << 20;
constexpr std::int64_t kReaderCacheBytes = 1 << 20;

struct DueQuestion {
  WallTime until;
  std::size_t limit;
  std::vector<std::string> without_apps;
};

// The last question for what is due, if it could not be read: without an answer nothing is refreshed. Any thread.
class UnansweredQuestion {
 public:
  void set(std::optional<DueQuestion> question) {
    const std::lock_guard lock(mutex_);
    question_ = std::move(question);
  }
  [[nodiscard]] std::optional<DueQuestion> get() const {
    const std::lock_guard lock(mutex_);
    return question_;
  }

 private:
  mutable std::mutex mutex_;
  std::optional<DueQuestion> question_;
};

Result<void> try_to_read(Connection& db) {
  if (auto touched = db.touch_file(); !touched) return touched;
  if (const auto read = db.number("SELECT count(*) FROM store_info"); !read) return std::unexpected(read.error());
  return {};
}

std::unexpected<Error> unreadable(Error error) {
  if (error.kind == ErrorKind::unavailable) error.reason = "store_unreadable";
  return std::unexpected(std::move(error));
}

class SqliteStore final : public Store {
 public:
  SqliteStore(std::unique_ptr<DataLock> lock, std::unique_ptr<Connection> writing,
              std::vector<std::unique_ptr<Connection>> reading, const SqliteOptions& options, WallClock& clock, Log& log)
      : clock_(clock),
        lock_(std::move(lock)),
        writing_(std::move(writing)),
        pool_(options.hire("store-reader", reading.size())),
        readers_(std::move(reading)),
        writer_(*writing_, options.hire("store-writer", 1), clock, log,
                {.group_batches_max = options.group_batches_max, .checkpoint_pages = options.checkpoint_pages, .figures = options.figures}) {}

  Task<Result<void>> commit(Batch batch, Urgency urgency) override {
    auto start = [writer = &writer_, batch = std::move(batch), urgency](auto resume) mutable {
      writer->enqueue(std::move(batch), urgency, std::move(resume));
    };
    co_return co_await base::suspend_until<Result<void>>(std::move(start));
  }
  // How it is, is what the disk says. unavailable/`store_unreadable` (or corrupt/`store_corrupt`): the file, or what is due, cannot be read;
  // unavailable/`store_stopped`: it reads, but takes no change until the server has been restarted. The texts name no path.
  Task<Result<WallTime>> now() override {
    if (const auto writes = writer_.health(); !writes) co_return std::unexpected(writes.error());
    if (const auto reads = co_await read([](Connection& db) { return try_to_read(db); }); !reads) co_return unreadable(reads.error());
    // Pages that the trial did not meet. Asked again here, since whoever asked may ask no more.
    if (const auto question = unanswered_.get()) {
      const auto due = co_await due_grants(NodeId(), question->until, question->limit, question->without_apps);
      if (!due) co_return unreadable(due.error());
    }
    co_return clock_.now();
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
    return read([](Connection& db) { return sqlite::count_administrators(db); });
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
  Task<Result<std::vector<DueGrant>>> due_grants(NodeId, WallTime until, std::size_t limit,
                                                 std::vector<std::string> without_apps) override {
    const DueQuestion asked{until, limit, std::move(without_apps)};
    auto due = co_await read([asked, clock = &clock_](Connection& db) {
      return find_due_grants(db, asked.until, clock->now(), asked.limit, asked.without_apps);
    });
    unanswered_.set(due ? std::nullopt : std::optional(asked));
    co_return due;
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
  Task<Result<std::vector<HandoutCount>>> handouts(GrantId grant, WallTime since) override {
    return read([grant, since](Connection& db) { return find_handouts(db, grant, since); });
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

 private:
  // `question` is called on a reader's thread; it holds values only.
  template <class Question>
  auto read(Question question) -> Task<std::invoke_result_t<Question&, Connection&>> {
    return pool_->run([readers = &readers_, question = std::move(question)]() mutable {
      const ReaderConnections::Borrowed db(*readers);
      return question(*db);
    });
  }

  // In this order: the writer stops first, then the readers; the file closes, then the lock goes.
  WallClock& clock_;
  std::unique_ptr<DataLock> lock_;
  std::unique_ptr<Connection> writing_;
  std::unique_ptr<Worker> pool_;
  ReaderConnections readers_;
  UnansweredQuestion unanswered_;
  Writer writer_;
};

// SQLite would make it readable for everybody.
Result<void> make_private_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    return fail(ErrorKind::misconfigured, "data_directory",
                "The database file " + path + " cannot be opened: " + std::generic_category().message(errno) + ".",
                {.field = "data"});
  }
  ::close(descriptor);
  return {};
}

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(SqliteOptions options, WallClock& clock, Log& log) {
  auto directory = std::filesystem::path(options.path).parent_path().string();
  if (directory.empty()) directory = ".";
  std::unique_ptr<DataLock> lock;
  if (options.directory == SqliteOptions::Directory::locked) {
    auto taken = DataLock::take(directory);
    if (!taken) return std::unexpected(taken.error());
    lock = *std::move(taken);
  }
  if (options.vfs.empty()) {
    if (auto made = make_private_file(options.path); !made) return std::unexpected(made.error());
  }
  auto writing = Connection::open(options.path, Access::writer, kWriterCacheBytes, options.vfs);
  if (!writing) return std::unexpected(writing.error());
  if (auto sound = inspect(**writing, options.path, options.program_version); !sound) {
    (*writing)->leave_log_alone();
    return std::unexpected(sound.error());
  }
  if (auto done = migrate(**writing, options.program_version, clock.now()); !done) return std::unexpected(done.error());
  std::vector<std::unique_ptr<Connection>> reading;
  for (std::size_t i = 0; i < std::max<std::size_t>(options.reader_threads, 1); ++i) {
    auto reader = Connection::open(options.path, Access::reader, kReaderCacheBytes, options.vfs);
    if (!reader) return std::unexpected(reader.error());
    reading.push_back(*std::move(reader));
  }
  return std::make_unique<SqliteStore>(std::move(lock), *std::move(writing), std::move(reading), options, clock, log);
}

}  // namespace latchkey::store
