#include "sandbox/practice_service.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "base/json.h"
#include "net/no_answer.h"
#include "net/url.h"
#include "sandbox/pages.h"

namespace latchkey::sandbox {
namespace {

constexpr std::string_view kFilesPath = "/drive/files";
constexpr std::string_view kUploadsPath = "/drive/uploads";

bool is_form(const net::HttpRequest& request) { return request.content_type() == "application/x-www-form-urlencoded"; }

std::string value_of(const net::FormFields& fields, std::string_view name) {
  const std::string* value = net::find_field(fields, name);
  return value == nullptr ? std::string() : *value;
}

// Another site's page must not press buttons here; a browser says where a form came from.
bool came_from_elsewhere(const net::HttpRequest& request) {
  const auto site = request.headers.value_or("Sec-Fetch-Site", "same-origin");
  return site != "same-origin" && site != "none";
}

std::string origin_of(const std::string& url) {
  const auto parsed = net::Url::parse(url);
  return parsed ? parsed->origin() : std::string();
}

net::HttpResponse wrong_method(std::string_view allowed) {
  return net::HttpResponse::problem(405, "method_not_allowed", fmt::format("Use {} here.", allowed)).with("Allow", allowed);
}

}  // namespace

PracticeService::PracticeService(PracticeServiceSettings settings, const WallClock& wall, SteadyClock& steady,
                                 Entropy& entropy)
    : public_origin_(origin_of(settings.public_url)),
      csrf_token_(base::to_base64url(entropy.bytes(24))),
      wall_(wall),
      steady_(steady),
      server_(settings.issuer,
              PracticeClient{std::string(kClientId), Secret(kClientSecret), settings.public_url + "/oauth/callback/"}, wall,
              entropy),
      state_file_(std::move(settings.state_file)) {
  if (state_file_.empty()) return;
  std::ifstream file(state_file_, std::ios::binary);
  if (!file) return;
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (server_.take_over(text)) kept_ = text;
}

void PracticeService::keep_grants() {
  if (state_file_.empty()) return;
  auto text = server_.to_text();
  if (text == kept_) return;
  const std::string fresh = state_file_ + ".new";
  const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  const bool written = file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const bool closed = file >= 0 && ::close(file) == 0;
  if (written && closed && std::rename(fresh.c_str(), state_file_.c_str()) == 0) {
    kept_ = std::move(text);
    keep_problem_.clear();
  } else {
    keep_problem_ = fmt::format("The grants could not be written to {}: they end when the server stops.", state_file_);
  }
}

PracticeService::Area PracticeService::area_of(std::string_view path) {
  if (path == "/token" || path == "/revoke") return Area::token;
  if (path == "/userinfo" || path.starts_with("/drive/") || path.starts_with("/mail/")) return Area::api;
  return Area::page;
}

std::size_t PracticeService::body_limit(std::string_view method, std::string_view path) const {
  if (method == "PUT" && path.starts_with(kFilesPath)) return kFileBytesMax;
  if (method == "PUT" && path.starts_with(kUploadsPath)) return kUploadPartBytesMax;
  if (method == "POST" && path == PracticeMailbox::kPath) return kMessageBytesMax;
  return 64 * 1024;
}

PracticeSettings PracticeService::settings() const {
  const std::lock_guard lock(mutex_);
  return settings_;
}

Task<net::HttpResponse> PracticeService::handle(net::HttpRequest request) {
  const PracticeSettings now = settings();
  if (area_of(request.path) != Area::page && now.slowness > Seconds(0)) co_await steady_.sleep_for(now.slowness);
  const std::lock_guard lock(mutex_);
  auto response = answer(request);
  keep_grants();
  co_return response;
}

net::HttpResponse PracticeService::answer(const net::HttpRequest& request) {
  const std::string& path = request.path;
  const bool get = request.method == "GET" || request.method == "HEAD";
  if (path == "/" && get) return show_control(200, request.query == "saved" ? "Saved." : "", keep_problem_);
  if (path == "/control") return request.method == "POST" ? control(request) : wrong_method("POST");
  if (path == "/style.css" && get) {
    net::HttpResponse response = net::HttpResponse::text(200, std::string(stylesheet()));
    return std::move(response).with("Content-Type", "text/css; charset=utf-8").with("Cache-Control", "no-cache");
  }
  if (path == "/icon.svg" && get) {
    net::HttpResponse response = net::HttpResponse::text(200, std::string(icon_svg()));
    return std::move(response).with("Content-Type", "image/svg+xml").with("Content-Security-Policy", "default-src 'none'");
  }
  // Steered from the page above, which therefore stays up.
  if (settings_.availability == Availability::outage) {
    return net::HttpResponse::problem(503, "outage", "Down, as set on the practice page.").with("Retry-After", "30");
  }
  if (path == "/.well-known/openid-configuration" || path == "/.well-known/oauth-authorization-server") {
    return get ? net::HttpResponse::json(200, server_.metadata()) : wrong_method("GET");
  }
  if (path == "/jwks") return get ? net::HttpResponse::json(200, JsonObject{{"keys", JsonArray{}}}) : wrong_method("GET");
  if (path == "/authorize") {
    if (!get) return wrong_method("GET");
    const auto query = net::decode_form(request.query, {.size_bytes_max = 16 * 1024, .fields_max = 50});
    if (!query) return to_response(ShowProblem{"invalid_request", query.error().text});
    return to_response(server_.authorize(*query));
  }
  if (path == "/consent") return request.method == "POST" ? consent(request) : wrong_method("POST");
  switch (area_of(path)) {
    case Area::token:
      return request.method == "POST" ? token_endpoint(request) : wrong_method("POST");
    case Area::api:
      return api(request);
    case Area::page:
      break;
  }
  return to_response(ShowProblem{"not_found", "There is no such page in the practice service."}).with("Cache-Control", "no-store");
}

net::HttpResponse PracticeService::as_page(net::HttpResponse response, std::string_view form_targets) const {
  response.with("Content-Security-Policy",
                fmt::format("default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'{}{}; "
                            "frame-ancestors 'none'; base-uri 'none'",
                            form_targets.empty() ? "" : " ", form_targets));
  response.with("Cache-Control", "no-store").with("X-Content-Type-Options", "nosniff").with("Referrer-Policy", "no-referrer");
  if (settings_.opener == OpenerTie::severed) response.with("Cross-Origin-Opener-Policy", "same-origin");
  return response;
}

net::HttpResponse PracticeService::show_control(int status, std::string_view notice, std::string_view problem) const {
  const ControlView view{server_, settings_, storage_, csrf_token_, notice, problem, wall_.now()};
  return as_page(net::HttpResponse::html(status, control_page(view)), {});
}

net::HttpResponse PracticeService::control(const net::HttpRequest& request) {
  const auto form = net::decode_form(request.body);
  if (!is_form(request) || !form) return show_control(400, "", "The form could not be read. Try again.");
  if (came_from_elsewhere(request) ||
      !base::equal_in_constant_time(base::as_bytes(value_of(*form, "csrf")), base::as_bytes(csrf_token_))) {
    return show_control(403, "", "This page was older than the server. Nothing was changed; try again.");
  }
  const std::string action = value_of(*form, "action");
  if (action == "save") {
    auto changed = read_settings(*form, settings_);
    if (!changed) return show_control(422, "", changed.error().text);
    settings_ = *changed;
  } else if (action == "reset") {
    settings_ = PracticeSettings{};
  } else if (action == "end") {
    if (!server_.end_family(value_of(*form, "family"), "withdrawn on the practice page")) {
      return show_control(404, "", "That grant has ended already.");
    }
  } else if (action == "empty") {
    storage_.clear();
    uploads_.clear();
  } else {
    return show_control(422, "", "action must be save, reset, end or empty.");
  }
  return net::HttpResponse::redirect(303, "/?saved").with("Cache-Control", "no-store");
}

net::HttpResponse PracticeService::to_response(const AuthorizeAnswer& answer) const {
  if (const auto* shown = std::get_if<ShowConsent>(&answer)) {
    // Browsers hold the redirect that follows the form to form-action as well.
    return as_page(net::HttpResponse::html(200, consent_page(*shown, {})), public_origin_);
  }
  if (const auto* gone = std::get_if<GoTo>(&answer)) {
    return as_page(net::HttpResponse::redirect(303, gone->location), public_origin_);
  }
  const auto& problem = std::get<ShowProblem>(answer);
  return as_page(net::HttpResponse::html(problem.code == "not_found" ? 404 : 400, problem_page(problem)), {});
}

net::HttpResponse PracticeService::consent(const net::HttpRequest& request) {
  const auto form = net::decode_form(request.body);
  if (!is_form(request) || !form || came_from_elsewhere(request)) {
    return to_response(ShowProblem{"invalid_request", "The answer could not be read, or came from another site."});
  }
  const std::string ticket = value_of(*form, "ticket");
  const std::string decision = value_of(*form, "decision");
  if (decision == "refuse") return to_response(server_.decide(ticket, AuthorizationServer::Decision::refuse, {}));
  const ShowConsent* waiting = server_.waiting(ticket);
  if (waiting == nullptr) return to_response(server_.decide(ticket, AuthorizationServer::Decision::refuse, {}));
  const auto ask_again = [&](std::string_view problem) {
    return as_page(net::HttpResponse::html(422, consent_page(*waiting, problem)), public_origin_);
  };
  if (decision != "allow") return ask_again("Press Allow or Refuse.");
  const std::string chosen = value_of(*form, "person");
  for (const Person& person : practice_people()) {
    if (person.sub == chosen) {
      return to_response(server_.decide(ticket, AuthorizationServer::Decision::allow, person));
    }
  }
  if (chosen != "other") return ask_again("Choose who signs in.");
  const auto person = person_named(value_of(*form, "name"));
  if (!person) return ask_again(person.error().text);
  return to_response(server_.decide(ticket, AuthorizationServer::Decision::allow, *person));
}

net::HttpResponse PracticeService::token_endpoint(const net::HttpRequest& request) {
  const auto form = net::decode_form(request.body);
  TokenAnswer answer;
  if (!is_form(request) || !form) {
    answer = {400, {{"error", "invalid_request"}, {"error_description", "send application/x-www-form-urlencoded"}}};
  } else if (request.path == "/token") {
    answer = server_.token(*form, request.headers.value_or("Authorization"), settings_);
  } else {
    answer = server_.revoke(*form, request.headers.value_or("Authorization"), settings_);
  }
  net::HttpResponse response = net::HttpResponse::json(answer.status, answer.body);
  response.with("Cache-Control", "no-store").with("Pragma", "no-cache");
  if (answer.status == 401) response.with("WWW-Authenticate", "Basic realm=\"practice service\"");
  return response;
}

net::HttpResponse PracticeService::api(const net::HttpRequest& request) {
  const Family* family = server_.bearer(request.headers.value_or("Authorization"));
  if (family == nullptr) {
    return net::HttpResponse::problem(401, "invalid_token", "The access token is missing, has expired or was revoked.")
        .with("WWW-Authenticate", "Bearer error=\"invalid_token\"");
  }
  if (request.path == "/userinfo") {
    return net::HttpResponse::json(200, JsonObject{{"sub", family->person.sub},
                                                   {"name", family->person.name},
                                                   {"preferred_username", family->person.email},
                                                   {"email", family->person.email},
                                                   {"email_verified", true}})
        .with("Cache-Control", "no-store");
  }
  const bool is_drive = request.path.starts_with("/drive/");
  const std::string needed = is_drive ? "drive" : "mail";
  if ((" " + family->scope + " ").find(" " + needed + " ") == std::string::npos) {
    return net::HttpResponse::problem(403, "insufficient_scope", fmt::format("The token lacks the scope {}.", needed))
        .with("WWW-Authenticate", fmt::format("Bearer error=\"insufficient_scope\", scope=\"{}\"", needed));
  }
  return is_drive ? drive(request, *family) : mail(request, *family);
}

net::HttpResponse PracticeService::drive(const net::HttpRequest& request, const Family& family) {
  const std::string& sub = family.person.sub;
  if (request.path.starts_with(kUploadsPath)) return uploads_.answer(request, sub, server_.issuer(), wall_.now());
  if (request.path == kFilesPath) {
    if (request.method != "GET") return wrong_method("GET");
    JsonArray items;
    for (const StoredFile* file : storage_.files(sub)) items.emplace_back(file_json(*file, server_.issuer()));
    return net::HttpResponse::json(200, JsonObject{{"items", items}});
  }
  const std::string prefix = std::string(kFilesPath) + "/";
  if (!request.path.starts_with(prefix)) return net::HttpResponse::problem(404, "not_found", "No such address.");
  const std::string path = request.path.substr(prefix.size());
  const StoredFile* before = storage_.find_file(sub, path);
  if (request.method == "PUT") {
    const bool replaced = before != nullptr;
    if (replaced && request.headers.value_or("If-None-Match") == "*") {
      return net::HttpResponse::problem(412, "exists", "A file of that path exists.");
    }
    const auto stored = storage_.put_file(sub, path, request.body, request.content_type(), wall_.now());
    if (!stored) {
      return net::HttpResponse::problem(stored.error().kind == ErrorKind::invalid ? 400 : 507, stored.error().reason,
                                        stored.error().text);
    }
    return net::HttpResponse::json(replaced ? 200 : 201, file_json(**stored, server_.issuer()));
  }
  if (request.method != "GET" && request.method != "DELETE") return wrong_method("GET, PUT, DELETE");
  if (before == nullptr) return net::HttpResponse::problem(404, "not_found", "No file of that path.");
  if (request.method == "DELETE") {
    storage_.remove_file(sub, path);
    return net::HttpResponse::no_content();
  }
  if (!before->is_kept()) {
    return net::HttpResponse::problem(410, "not_kept", "The practice drive keeps size and hash of a file of this size, not what is in it.");
  }
  net::HttpResponse response;
  response.body = before->content;
  return std::move(response)
      .with("Content-Type", "application/octet-stream")
      .with("Content-Disposition", "attachment")
      .with("X-Content-Type-Options", "nosniff")
      .with("Content-Security-Policy", "sandbox; default-src 'none'");
}

net::HttpResponse PracticeService::mail(const net::HttpRequest& request, const Family& family) {
  auto response = mailbox_.answer(request, family.person.sub, server_.issuer(), wall_.now());
  if (request.method != "POST" || response.status != 202 || settings_.mail_answer == MailAnswer::kept) return response;
  settings_.mail_answer = MailAnswer::kept;
  return net::no_answer();
}

}  // namespace latchkey::sandbox
