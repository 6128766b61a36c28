// The practice service as an HTTP handler: an authorization server, a drive and a mailbox, and the page that steers them.
//
// It is a provider like any other to the engine, which reaches it over HTTP alone. Every method may be called from any
// worker; one lock guards the state and is never held while waiting.
#pragma once

#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/entropy.h"
#include "net/http_server.h"
#include "sandbox/authorization_server.h"
#include "sandbox/practice_mailbox.h"
#include "sandbox/practice_settings.h"
#include "sandbox/practice_storage.h"
#include "sandbox/practice_uploads.h"

namespace latchkey::sandbox {

// The client that --sandbox registers by itself. The secret is fixed and public: it guards nothing.
inline constexpr std::string_view kClientId = "latchkey-sandbox";
inline constexpr std::string_view kClientSecret = "practice-secret-that-guards-nothing";

struct PracticeServiceSettings {
  std::string issuer;      // "http://localhost:8481"
  std::string public_url;  // of the server it serves: redirect URIs are {public_url}/oauth/callback/APP
  std::string state_file{};  // keeps grants over a restart (mode 0600); empty: they end with the process
};

class PracticeService final : public net::HttpHandler {
 public:
  PracticeService(PracticeServiceSettings settings, const WallClock& wall, SteadyClock& steady, Entropy& entropy);

  [[nodiscard]] Task<net::HttpResponse> handle(net::HttpRequest request) override;
  [[nodiscard]] std::size_t body_limit(std::string_view method, std::string_view path) const override;

 private:
  enum class Area { page, token, api };
  [[nodiscard]] static Area area_of(std::string_view path);
  [[nodiscard]] PracticeSettings settings() const;

  // Each runs under the lock.
  // Writes the grants down, if they have changed, before the answer that made the change leaves.
  void keep_grants();
  [[nodiscard]] net::HttpResponse answer(const net::HttpRequest& request);
  [[nodiscard]] net::HttpResponse control(const net::HttpRequest& request);
  [[nodiscard]] net::HttpResponse show_control(int status, std::string_view notice, std::string_view problem) const;
  [[nodiscard]] net::HttpResponse consent(const net::HttpRequest& request);
  [[nodiscard]] net::HttpResponse to_response(const AuthorizeAnswer& answer) const;
  [[nodiscard]] net::HttpResponse token_endpoint(const net::HttpRequest& request);
  [[nodiscard]] net::HttpResponse api(const net::HttpRequest& request);
  [[nodiscard]] net::HttpResponse drive(const net::HttpRequest& request, const Family& family);
  [[nodiscard]] net::HttpResponse mail(const net::HttpRequest& request, const Family& family);
  [[nodiscard]] net::HttpResponse as_page(net::HttpResponse response, std::string_view form_targets) const;

  std::string public_origin_;
  std::string csrf_token_;
  const WallClock& wall_;
  SteadyClock& steady_;
  mutable std::mutex mutex_;
  AuthorizationServer server_;
  PracticeStorage storage_;
  PracticeUploads uploads_{storage_};
  PracticeMailbox mailbox_{storage_};
  PracticeSettings settings_;
  std::string state_file_;
  std::string kept_;         // what the file holds
  std::string keep_problem_;  // why it does not hold the newest; shown on the practice page
};

}  // namespace latchkey::sandbox
