// This server's enrolment at a Cloud Service as it is kept: one sealed record (Store::meta), since whoever could alter it
// could send consents through another service (RULES S1, K3).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"
#include "cloud/party.h"
#include "cloud/service.h"
#include "grants/cloud_desk.h"
#include "grants/cloud_terms.h"
#include "grants/sealing.h"
#include "store/store.h"

namespace latchkey::grants {

struct CloudEnrolment {
  std::string address;  // https://relay.example
  WallTime enrolled_at{};
  cloud::PartyKeys keys;       // this office's own
  cloud::ServiceView service;  // as the service said when last asked; its keys are the ones the code named, for good
  Bytes read_as{};             // the record as it lay in the store, sealed; empty: there was none

  // By the service's own name for the app: what an administrator has agreed to, by enrolling or later. It decides who sees codes and
  // tokens, so the service changes nothing of it by itself.
  std::map<std::string, CloudTerms, std::less<>> agreed{};

  [[nodiscard]] CloudEnrolment clone() const;
  // nullptr: nobody has agreed to anything of that name.
  [[nodiscard]] const CloudTerms* agreed_terms(const cloud::ServiceApp& app) const;
  // The types that new consents may use it for, as it is offered now; empty: none.
  [[nodiscard]] std::vector<std::string> usable_types(const cloud::ServiceApp& app) const;
  void agree_to(const cloud::ServiceApp& app);
  // The service's app that new consents for a type may use; `id`: that one alone, by its id here. nullptr: there is none.
  [[nodiscard]] const cloud::ServiceApp* app_for(std::string_view type, std::string_view id = {}) const;
  // One that only an agreement is wanting for; nullptr: there is none.
  [[nodiscard]] const cloud::ServiceApp* app_to_agree_to(std::string_view type, std::string_view id = {}) const;
};

// Absent, or made unreadable by a leaving: nullopt. Errors: those of the store; corrupt/`ciphertext_rejected`,
// `record_altered`.
[[nodiscard]] Task<Result<std::optional<CloudEnrolment>>> read_cloud_enrolment(store::Store& store, const Sealing& sealing);
// Puts it in the place of what it was read as: the batch is refused with conflict/`meta` when somebody has left, enrolled
// or taken over something else since.
[[nodiscard]] store::Batch replace_cloud_enrolment(const Sealing& sealing, const CloudEnrolment& enrolment);
// How often whoever was refused so looks again before giving up.
inline constexpr int kCloudRaces = 5;
[[nodiscard]] store::Mutation forget_cloud_enrolment();
// For the rotation of the master key.
[[nodiscard]] ChannelSecretPlace cloud_enrolment_place();

// --- App records that are the service's ---
//
// They lie among the office's own, since a grant stays for life with the client that obtained it (RULES F8): id
// `cloud-APP-` and 128 bits of a digest of service, app, provider, client and mode, so that another client, or another way
// to tokens, never takes a grant's place. The service chooses all of these but the first.

// What such a record says besides, in a member of params_json that is no parameter.
struct CloudRoute {
  std::string address;       // of the service
  std::string app;           // the service's own name for it
  std::string redirect_uri;  // the service's
  cloud::Mode mode = cloud::Mode::forward;
};
// nullopt: a registration of one's own.
[[nodiscard]] std::optional<CloudRoute> cloud_route_of(const store::App& app);
[[nodiscard]] std::string params_with_route(const catalog::ParameterValues& values, const CloudRoute& route);
// Registrations of one's own are named otherwise.
[[nodiscard]] inline bool is_cloud_app_id(std::string_view id) { return id.starts_with("cloud-"); }
[[nodiscard]] std::string cloud_app_id(std::string_view address, const cloud::ServiceApp& app);

}  // namespace latchkey::grants
