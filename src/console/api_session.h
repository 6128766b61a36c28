// /setup and /session: the first administrator, signing in and out, and who I am.
#pragma once

#include <string>

#include "console/router.h"
#include "people/sessions.h"
#include "people/setup.h"
#include "store/store.h"

namespace latchkey::console {

// What every page wants to know of the server. Texts may be empty.
struct ServerFacts {
  std::string version;
  std::string public_url;
  bool sandbox = false;
  std::string master_key_path;
};

class SessionApi final : public ApiSection {
 public:
  SessionApi(people::Sessions& sessions, people::Setup& setup, store::Store& store, ServerFacts facts)
      : sessions_(sessions), setup_(setup), store_(store), facts_(std::move(facts)) {}
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
  ServerFacts facts_;
};

}  // namespace latchkey::console
