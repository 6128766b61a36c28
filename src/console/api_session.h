// /setup and /session: the first administrator, signing in and out, and who I am.
#pragma once

#include <functional>
#include <string>

#include "console/router.h"
#include "grants/key_rotation.h"
#include "people/sessions.h"
#include "people/setup.h"
#include "store/store.h"

namespace latchkey::console {

// Whose tools back it up depends on it.
enum class StoreKind { sqlite, postgresql };
[[nodiscard]] std::string_view name_of(StoreKind kind);

// What every page wants to know of the server. Texts may be empty.
struct ServerFacts {
  std::string version;
  std::string public_url;
  bool sandbox = false;
  StoreKind store = StoreKind::sqlite;
};

class SessionApi final : public ApiSection {
 public:
  SessionApi(people::Sessions& sessions, people::Setup& setup, store::Store& store, const grants::Keys& keys, ServerFacts facts,
             std::function<bool()> cloud_used)
      : sessions_(sessions), setup_(setup), store_(store), keys_(keys), facts_(std::move(facts)), cloud_used_(std::move(cloud_used)) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> setup_state(Call call);
  [[nodiscard]] Task<Answer> finish_setup(Call call);
  [[nodiscard]] Task<Answer> who_am_i(Call call);
  [[nodiscard]] Task<Answer> sign_in(Call call);
  [[nodiscard]] Task<Answer> sign_out(Call call);
  // The Session object for that principal.
  [[nodiscard]] Task<Answer> session_answer(int status, net::HttpRequest request, Principal principal);
  [[nodiscard]] Task<Answer> opened_answer(net::HttpRequest request, people::Sessions::Opened opened);

  people::Sessions& sessions_;
  people::Setup& setup_;
  store::Store& store_;
  const grants::Keys& keys_;
  ServerFacts facts_;
  std::function<bool()> cloud_used_;  // `oauth.use_cloud_service`; any thread
};

}  // namespace latchkey::console
