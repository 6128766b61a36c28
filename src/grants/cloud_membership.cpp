#include "grants/cloud_membership.h"

#include <algorithm>
#include <utility>

#include "cloud/office_name.h"
#include "grants/cloud_terms.h"
#include "net/url.h"

namespace latchkey::grants {
namespace {

std::unexpected<Error> not_enrolled() {
  return fail(ErrorKind::conflict, "cloud_not_enrolled", "This server is not enrolled at a Cloud Service.");
}

// Whether what the service offers now is what grants were obtained with: all but where browsers come back to (RULES F8, S1).
bool is_same_client(const store::App& present, const store::App& offered) {
  const auto was = cloud_route_of(present);
  const auto now = cloud_route_of(offered);
  return was && now && present.provider == offered.provider && present.client_id == offered.client_id && was->address == now->address &&
         was->app == now->app && was->mode == now->mode;
}

std::unexpected<Error> another_client(const store::App& present) {
  return fail(ErrorKind::refused, "cloud_app_changed",
              "The Cloud Service offers another client, or another way to tokens, in the place of " + present.id +
                  ", which accounts were authorised with. Nothing of it was taken over; ask its operator what has happened.");
}

std::unexpected<Error> in_use(AppUse use, const std::string& app) {
  if (use != AppUse::grant) {
    return fail(ErrorKind::conflict, "cloud_app_in_use",
                way_out_of(use, app) + " What is there goes where the values of " + app + " say that are used now; ask the service's operator why it names others.");
  }
  return fail(ErrorKind::conflict, "cloud_app_in_use",
              "Accounts here were authorised with other values of " + app +
                  ", and their tokens go where those say. Delete these accounts first and wait until their tokens have been given back (Health shows what "
                  "waits), or use an app of your own; ask the service's operator why it names others.");
}

// https://relay.example, however it was typed.
Result<std::string> origin_of(std::string_view typed) {
  while (typed.ends_with(' ') || typed.ends_with('\n')) typed.remove_suffix(1);
  while (typed.starts_with(' ')) typed.remove_prefix(1);
  const auto url = net::Url::parse(typed);
  if (!url || !url->is_https() || url->path() != "/" || !url->query().empty()) {
    return fail(ErrorKind::invalid, "bad_address", "The Cloud Service's address looks like https://relay.example; its operator names it.",
                {.field = "address"});
  }
  return url->origin();
}

}  // namespace

CloudStatus CloudMembership::status_of(const CloudEnrolment& enrolment) const {
  CloudStatus status{.enrolled = true,
                     .address = enrolment.address,
                     .office = enrolment.service.office,
                     .label = enrolment.service.label,
                     .service_key = enrolment.service.keys.key_id(),
                     .enrolled_at = enrolment.enrolled_at,
                     .return_origin = enrolment.service.return_origins.empty() ? "" : enrolment.service.return_origins.front(),
                     .apps = {}};
  for (const auto& app : enrolment.service.apps) {
    if (!record_of(enrolment, app)) continue;
    auto changes = changes_in(enrolment.agreed_terms(app), terms_of(app));
    status.apps.push_back({.id = cloud_app_id(enrolment.address, app), .provider = app.provider, .types = app.types, .mode = std::string(cloud::name_of(app.mode)),
                           .params = {app.params.begin(), app.params.end()}, .agreed = changes.empty(), .agreed_types = enrolment.usable_types(app),
                           .changes = std::move(changes)});
  }
  return status;
}

Task<Result<CloudStatus>> CloudMembership::status() {
  const auto enrolment = co_await read_cloud_enrolment(store_, sealing_);
  if (!enrolment) co_return std::unexpected(enrolment.error());
  co_return *enrolment ? status_of(**enrolment) : CloudStatus{};
}

Task<Result<std::string>> CloudMembership::name_proof() {
  const auto sealed = co_await store_.meta(std::string(kCloudEnrolmentMeta));
  if (!sealed) co_return std::unexpected(sealed.error());
  if (sealed->empty()) co_return std::string();
  if (*sealed == proof_.of) co_return proof_.text;
  const auto enrolment = co_await read_cloud_enrolment(store_, sealing_);
  if (!enrolment) co_return std::unexpected(enrolment.error());
  if (!*enrolment) co_return std::string();
  proof_ = {.of = (*enrolment)->read_as, .text = cloud::office_name_proof((*enrolment)->service.office, (*enrolment)->keys.public_half())};
  co_return proof_.text;
}

Result<store::App> CloudMembership::record_of(const CloudEnrolment& enrolment, const cloud::ServiceApp& app) const {
  const auto provider = clients_.catalog().find_provider(app.provider);
  const bool takes_client = app.mode != cloud::Mode::forward || (provider && catalog::authentication_for(*provider, false));
  const bool usable = provider && takes_client && app.redirect_uri.starts_with(enrolment.address + "/");
  if (!usable) return fail(ErrorKind::invalid, "cloud_app_unusable", "This server cannot use the registration.");
  std::vector<catalog::Parameter> asked;
  for (const auto& parameter : provider->parameters) {
    if (parameter.owner == catalog::ParameterOwner::app) asked.push_back(parameter);
  }
  const auto values = clients_.catalog().check_parameters(asked, {app.params.begin(), app.params.end()}, clients_.address().plain_http);
  if (!values) return std::unexpected(values.error());
  auto origin = clients_.catalog().token_origin(*provider, *values, clients_.address().plain_http);
  if (!origin) return std::unexpected(origin.error());
  store::App record;
  record.id = cloud_app_id(enrolment.address, app);
  record.provider = app.provider;
  record.client_id = app.client_id;
  record.token_origin = std::move(*origin);
  record.params_json = params_with_route(*values, {.address = enrolment.address, .app = app.id, .redirect_uri = app.redirect_uri,
                                                     .mode = app.mode});
  record.version = 0;
  record.created_at = wall_.now();
  return record;
}

Task<Result<store::Batch>> CloudMembership::batch_of(const CloudEnrolment& enrolment, std::string agreed_anew) {
  auto batch = replace_cloud_enrolment(sealing_, enrolment);
  for (const auto& app : enrolment.service.apps) {
    auto record = record_of(enrolment, app);
    if (!record || enrolment.usable_types(app).empty()) continue;
    const auto present = co_await store_.app(record->id);
    if (!present) co_return std::unexpected(present.error());
    if (*present) {
      // What somebody has altered in the store is not made good by vouching for it anew.
      if (const auto checked = sealing_.check(**present); !checked) co_return std::unexpected(checked.error());
      if (!is_same_client(**present, *record)) co_return another_client(**present);
      if (record->id == agreed_anew && values_of_json((*present)->params_json) != values_of_json(record->params_json)) {
        const auto use = co_await uses_.of(record->id);
        if (!use) co_return std::unexpected(use.error());
        if (*use != AppUse::none) co_return in_use(*use, record->id);
        record->version = (*present)->version;
        record->created_at = (*present)->created_at;
        sealing_.vouch(*record);
        batch.push_back(store::PutApp{std::move(*record)});
        continue;
      }
      const auto entered_for = (*present)->token_origin.substr(0, (*present)->token_origin.find(kPinMark));
      // What grants were obtained with stays as it is (RULES F8), but for where browsers come back to.
      if (entered_for != record->token_origin) continue;
      auto changed = **present;
      changed.params_json = params_with_route(values_of_json(changed.params_json), *cloud_route_of(*record));
      if (changed.params_json == (*present)->params_json) continue;
      *record = std::move(changed);
    }
    sealing_.vouch(*record);
    batch.push_back(store::PutApp{std::move(*record)});
  }
  co_return batch;
}

Task<Result<CloudStatus>> CloudMembership::keep(CloudEnrolment enrolment, std::string action, std::string detail, Requester requester,
                                                 std::string agreed_anew) {
  auto batch = co_await batch_of(enrolment, std::move(agreed_anew));
  if (!batch) co_return std::unexpected(batch.error());
  if (!action.empty()) {
    batch->push_back(store::AppendAudit{{.at = wall_.now(), .actor = requester.actor, .action = std::move(action),
                                         .subject = enrolment.address, .source = requester.source,
                                         .detail = std::move(detail)}});
  }
  if (const auto done = co_await store_.commit(std::move(*batch)); !done) co_return std::unexpected(done.error());
  for (const auto& app : enrolment.service.apps) clients_.forget(cloud_app_id(enrolment.address, app));
  co_return status_of(enrolment);
}

Task<Result<CloudStatus>> CloudMembership::enrol(std::string address, Secret code, Requester requester) {
  const auto present = co_await read_cloud_enrolment(store_, sealing_);
  // What cannot be read may be an enrolment all the same: it is left first.
  if (!present) co_return std::unexpected(present.error());
  if (*present) {
    co_return fail(ErrorKind::conflict, "cloud_enrolled",
                   "This server is enrolled at " + (*present)->address + " already. Leave that Cloud Service first.");
  }
  auto origin = origin_of(address);
  if (!origin) co_return std::unexpected(origin.error());
  auto parsed = cloud::EnrolmentCode::parse(code.reveal_text());
  if (!parsed) co_return std::unexpected(parsed.error());
  auto enrolment = co_await line_.enrol(std::move(*origin), std::move(*parsed), clients_.address().url);
  if (!enrolment) co_return std::unexpected(enrolment.error());
  // Whoever enrols agrees to what there is, which the answer shows.
  std::string detail = "As " + enrolment->service.label + ".";
  for (const auto& app : enrolment->service.apps) {
    enrolment->agree_to(app);
    detail += " " + app.id + ": " + words_of(terms_of(app)) + ".";
  }
  auto kept = co_await keep(enrolment->clone(), "cloud.enrolled", detail, requester);
  // The code is used up: what came is not given up because an app's record has changed at this moment.
  for (int race = 0; race < kCloudRaces && !kept && kept.error().reason == "version"; ++race) {
    kept = co_await keep(enrolment->clone(), "cloud.enrolled", detail, requester);
  }
  if (!kept && kept.error().reason == "meta") {
    co_return fail(ErrorKind::conflict, "cloud_enrolled",
                   "Somebody else has enrolled this server at the same time; the code is used up, and what it gave was not kept. Look "
                   "at the enrolment that is there, and leave it first if it is not the one you want.");
  }
  co_return kept;
}

// Whoever leaves, or enrols elsewhere, while the service is asked is not undone by its answer.
Task<Result<CloudStatus>> CloudMembership::check(Requester requester) {
  auto checked = co_await check_once(requester);
  for (int race = 0; race < kCloudRaces && !checked && checked.error().kind == ErrorKind::conflict && checked.error().reason != "cloud_not_enrolled"; ++race) {
    checked = co_await check_once(requester);
  }
  co_return checked;
}

Task<Result<CloudMembership::AskedAnew>> CloudMembership::ask_anew() {
  auto enrolment = co_await read_cloud_enrolment(store_, sealing_);
  if (!enrolment) co_return std::unexpected(enrolment.error());
  if (!*enrolment) co_return not_enrolled();
  auto service = co_await line_.ask((*enrolment)->clone());
  if (!service) co_return std::unexpected(service.error());
  if (std::ranges::find(service->return_origins, clients_.address().url) == service->return_origins.end()) {
    co_return fail(ErrorKind::misconfigured, "cloud_return_origin",
                   "Browsers come back to " + service->return_origins.front() + ", as this server was enrolled, but its public_url is " +
                       clients_.address().url + " now. Leave the Cloud Service, and enrol again with a new code.");
  }
  auto before = std::exchange((*enrolment)->service, std::move(*service));
  co_return AskedAnew{.enrolment = std::move(**enrolment), .before = std::move(before)};
}

Task<Result<CloudStatus>> CloudMembership::check_once(Requester requester) {
  auto asked = co_await ask_anew();
  if (!asked) co_return std::unexpected(asked.error());
  auto news = news_in(asked->before, asked->enrolment.service);
  std::string action = news.empty() ? "" : "cloud.checked";
  co_return co_await keep(std::move(asked->enrolment), std::move(action), std::move(news), std::move(requester));
}

Task<Result<CloudStatus>> CloudMembership::agree(CloudAgreement agreement, Requester requester) {
  const auto raced = [](const Result<CloudStatus>& done) { return !done && (done.error().reason == "meta" || done.error().reason == "version"); };
  auto agreed = co_await agree_once(agreement, requester);
  for (int race = 0; race < kCloudRaces && raced(agreed); ++race) agreed = co_await agree_once(agreement, requester);
  co_return agreed;
}

// To what this server was told last: the service cannot put anything else in its place while somebody reads.
Task<Result<CloudStatus>> CloudMembership::agree_once(CloudAgreement agreement, Requester requester) {
  auto enrolment = co_await read_cloud_enrolment(store_, sealing_);
  if (!enrolment) co_return std::unexpected(enrolment.error());
  if (!*enrolment) co_return not_enrolled();
  const auto& apps = (*enrolment)->service.apps;
  const auto offered = std::ranges::find_if(apps, [&](const auto& each) { return cloud_app_id((*enrolment)->address, each) == agreement.app; });
  if (offered == apps.end() || !record_of(**enrolment, *offered)) {
    co_return fail(ErrorKind::not_found, "cloud_app_unknown", "The Cloud Service offers no such registration, or none that this server can use. Press Check.");
  }
  const auto terms = terms_of(*offered);
  if (cloud::name_of(terms.mode) != agreement.mode || terms.types != sorted_types(std::move(agreement.types)) || terms.values != agreement.params) {
    co_return fail(ErrorKind::conflict, "cloud_values_differ",
                   "The Cloud Service offers this registration with another mode, other types or other values by now. Nothing was agreed to; look at it again.");
  }
  (*enrolment)->agree_to(*offered);
  std::string detail = agreement.app + ": " + words_of(terms) + ".";
  co_return co_await keep(std::move(**enrolment), "cloud.app_agreed", std::move(detail), std::move(requester), std::move(agreement.app));
}

Task<Result<CloudStatus>> CloudMembership::look() {
  const auto asked = co_await ask_anew();
  if (!asked) co_return std::unexpected(asked.error());
  if (const auto batch = co_await batch_of(asked->enrolment, {}); !batch) co_return std::unexpected(batch.error());
  co_return status_of(asked->enrolment);
}

Task<Result<void>> CloudMembership::leave(Requester requester) {
  // Also one that cannot be read any more: that is a reason to leave.
  const auto sealed = co_await store_.meta(std::string(kCloudEnrolmentMeta));
  if (!sealed) co_return std::unexpected(sealed.error());
  if (sealed->empty()) co_return not_enrolled();
  const auto enrolment = co_await read_cloud_enrolment(store_, sealing_);
  const auto address = enrolment && *enrolment ? (*enrolment)->address : std::string();
  store::Batch batch{forget_cloud_enrolment()};
  const auto apps = co_await store_.apps();
  if (!apps) co_return std::unexpected(apps.error());
  for (const auto& app : *apps) {
    if (!cloud_route_of(app)) continue;
    const auto use = co_await uses_.of(app.id);
    if (!use) co_return std::unexpected(use.error());
    if (*use == AppUse::none) batch.push_back(store::DeleteApp{app.id});
  }
  batch.push_back(store::AppendAudit{{.at = wall_.now(), .actor = requester.actor, .action = "cloud.left", .subject = address,
                                      .source = requester.source}});
  co_return co_await store_.commit(std::move(batch));
}

}  // namespace latchkey::grants
