#include "store/exercise_testing.h"

#include "store/folding.h"

namespace latchkey::store {

void StoreExercise::put(Batch batch) {
  const auto done = wait_for(store().commit(std::move(batch)));
  ASSERT_TRUE(done) << done.error().reason << " " << done.error().field << " " << done.error().detail;
}

Error StoreExercise::refusal(Batch batch) {
  const auto done = wait_for(store().commit(std::move(batch)));
  EXPECT_FALSE(done);
  return done ? Error() : done.error();
}

Group StoreExercise::group(const std::string& name) {
  return {.id = id<GroupId>(), .name = name, .name_key = name, .created_at = now()};
}

User StoreExercise::user(const Group& group, const std::string& name) {
  User made;
  made.id = id<UserId>();
  made.group = group.id;
  made.username = name;
  made.username_key = name;
  made.name = "Name of " + name;
  made.email = name + "@example.org";
  made.uses = kUseDeliver | kUseToken;
  made.allowed_sources = {"192.0.2.0/24", "2001:db8::/64"};
  made.auth_epoch = 3;
  made.password_sealed = entropy_.bytes(60);
  made.public_key = entropy_.bytes(32);
  made.private_key_wrapped = entropy_.bytes(120);
  made.pin_set_at = now();
  made.created_at = now();
  made.mac = entropy_.bytes(32);
  return made;
}

App StoreExercise::app(const std::string& id) {
  App made;
  made.id = id;
  made.provider = "provider";
  made.client_id = "client-" + id;
  made.token_origin = "https://login.example.org";
  made.params_json = R"({"tenant":"common"})";
  made.secrets[0] = {.sealed = entropy_.bytes(48), .expires_at = now() + std::chrono::hours(720), .set_at = now()};
  made.created_at = now();
  made.mac = entropy_.bytes(32);
  made.version = 0;
  return made;
}

Grant StoreExercise::grant(const User& user, const std::string& type) {
  Grant made;
  made.id = id<GrantId>();
  made.user = user.id;
  made.type = type;
  made.app = "app-of-" + type;
  made.account_id = "account-" + user.username_key;
  made.account_name = "Account " + user.username_key;
  made.scopes = "files.read offline_access";
  made.missing_scopes = "mail.send";
  made.extras_json = R"({"instance":"https://a.example.org"})";
  made.public_key = entropy_.bytes(32);
  made.why = "good";
  made.generation = 1;
  made.issued_at = now();
  made.access_expires_at = now() + std::chrono::hours(1);
  made.last_refreshed_at = now();
  made.due_at = now() + std::chrono::minutes(20);
  made.created_at = now();
  made.mac = entropy_.bytes(32);
  return made;
}

Generation StoreExercise::generation(const Grant& grant, GenerationNumber number) {
  Generation made;
  made.grant = grant.id;
  made.number = number;
  made.intent = id<IntentId>();
  made.refresh_sealed = entropy_.bytes(900);
  made.access_sealed = entropy_.bytes(2'500);
  made.access_expires_at = now() + std::chrono::hours(1);
  made.issued_at = now();
  return made;
}

Intent StoreExercise::intent(const GrantId& grant, GenerationNumber number) {
  Intent made;
  made.id = id<IntentId>();
  made.grant = grant;
  made.generation = number;
  made.node = id<NodeId>();
  made.fence = 1;
  made.opened_at = now();
  return made;
}

Authorization StoreExercise::authorization(const std::string& username_key) {
  Authorization made;
  made.id = id<AuthorizationId>();
  made.ticket_hash = entropy_.bytes(32);
  made.username_key = username_key;
  made.created_by = id<UserId>();
  made.record_sealed = entropy_.bytes(700);
  made.created_at = now();
  made.expires_at = now() + std::chrono::minutes(10);
  return made;
}

Connector StoreExercise::connector(const std::string& id) {
  Connector made;
  made.id = id;
  made.name = "Name of " + id;
  made.type = "drive";
  made.account = AccountKind::fixed;
  made.owner = this->id<UserId>();
  made.groups = {this->id<GroupId>().text(), this->id<GroupId>().text()};
  made.target_json = R"({"folder":"Scans"})";
  made.naming = "{date} {name}";
  made.conflict = ConflictRule::new_version;
  made.size_bytes_max = 5'000'000'000;
  made.delegation = {.id = this->id<DelegationId>(), .grant = this->id<GrantId>(), .public_key = entropy_.bytes(32),
                     .private_key_sealed = entropy_.bytes(115), .created_at = now()};
  made.created_at = now();
  made.mac = entropy_.bytes(32);
  return made;
}

Delivery StoreExercise::delivery(const std::string& connector) {
  Delivery made;
  made.id = id<DeliveryId>();
  made.connector = connector;
  made.submitter = id<UserId>();
  made.grant = id<GrantId>();
  made.node = id<NodeId>();
  made.name = "scan.pdf";
  made.content_type = "application/pdf";
  made.size_bytes = 6'000'000'000;
  made.sha256 = entropy_.bytes(32);
  made.document_key_sealed = entropy_.bytes(90);
  made.public_key = entropy_.bytes(32);
  made.private_key_sealed = entropy_.bytes(90);
  made.tries = 2;
  made.due_at = now();
  made.resume_point = "https://drive.example.org/upload/7";
  made.sent_bytes = 4'000'000'000;
  made.why = "the destination does not answer";
  made.receipt_json = R"({"id":"x"})";
  made.timeline_json = R"([{"what":"accepted"}])";
  made.source = "http 192.0.2.7";
  made.device = id<DeviceId>();
  made.fields_json = R"({"mail_from":"a@example.org"})";
  made.created_at = now();
  made.finished_at = now();
  made.mac = entropy_.bytes(32);
  return made;
}

Device StoreExercise::device(const std::string& name) {
  Device made;
  made.id = id<DeviceId>();
  made.name = name;
  made.name_key = fold(name);
  made.secret_hash = entropy_.bytes(32);
  made.connectors = {"scans", "bills"};
  made.recipient_domains = {"example.org"};
  made.allowed_sources = {"192.0.2.7/32"};
  made.secret_set_at = now();
  made.created_at = now();
  made.last_seen_at = now();
  made.last_source = "192.0.2.7";
  made.last_error_at = now();
  made.last_error = "The secret was wrong.";
  made.mac = entropy_.bytes(32);
  return made;
}

}  // namespace latchkey::store
