#include <fmt/format.h>

#include "app/terminal.h"
#include "app/verbs.h"
#include "base/shown_name.h"

namespace latchkey::app {
namespace {

std::string_view words_of(std::string_view source) {
  if (source == "configured") return "the files that the configuration names";
  if (source == "given") return "handed over with `latchkey certificate use`";
  if (source == "own_authority") return "the server's own authority";
  if (source == "self_signed") return "self-signed: every browser warns, and most devices refuse it";
  return "none: the listener speaks in clear";
}

// "AB:CD:..." as browsers and phones show it.
std::string paired(std::string_view fingerprint) {
  std::string out;
  for (std::size_t at = 0; at + 1 < fingerprint.size(); at += 2) {
    if (!out.empty()) out += ':';
    for (const char c : fingerprint.substr(at, 2)) out += static_cast<char>(c >= 'a' && c <= 'f' ? c - 'a' + 'A' : c);
  }
  return out;
}

std::string names_of(const JsonObject& certificate) {
  std::string out;
  const auto* names = base::find_array(certificate, "names");
  for (const Json& name : names == nullptr ? JsonArray() : *names)
    out += (out.empty() ? "" : ", ") + std::string(name.as_string());
  return out;
}

void print_certificate(const JsonObject& certificate) {
  print(fmt::format("Names        {}\nIssuer       {}\nGood until   {} ({} days)\nSHA-256      {}\n", base::as_shown(names_of(certificate)),
                    base::as_shown(cell(certificate, "issuer")), cell(certificate, "not_after"), cell(certificate, "days_left"),
                    paired(base::string_or(certificate, "fingerprint"))));
}

Result<int> show(const Session& session, const Result<Json>& answer) {
  if (!answer) return std::unexpected(answer.error());
  const auto& status = answer->as_object();
  const auto problem = base::string_or(status, "problem");
  const int exit_status = problem.empty() ? 0 : 1;
  if (session.json) {
    print(pretty(*answer));
    return exit_status;
  }
  print(fmt::format("Source       {}\n", words_of(base::string_or(status, "source"))));
  if (const auto* chain = base::find_array(status, "chain"); chain != nullptr && !chain->empty()) {
    print(fmt::format("Files        {}\n             {}\n", cell(status, "certificate_file"), cell(status, "key_file")));
    print_certificate(chain->front().as_object());
  }
  if (const auto* root = base::find_object(status, "root"); root != nullptr) {
    print("\nRoot of the own authority, for devices and browsers to import (/own-root.crt, `latchkey certificate root`):\n");
    print_certificate(*root);
  }
  if (!problem.empty()) print(fmt::format("\nNot in use: what lies in the files now. {}\n", base::as_shown(problem)));
  if (cell(status, "served") == "no" && base::string_or(status, "source") != "none") {
    print("\nRestart the server: it speaks in clear until then. Set public_url to an https address where it is set.\n");
  }
  return exit_status;
}

Result<int> use(const Session& session, const std::string& certificate_file, const std::string& key_file) {
  const auto certificate = read_secret_file("CERTIFICATE", certificate_file);
  if (!certificate) return std::unexpected(certificate.error());
  const auto key = read_secret_file("KEY", key_file);
  if (!key) return std::unexpected(key.error());
  const JsonObject body{{"certificate", certificate->reveal_text()}, {"key", key->reveal_text()}};
  return show(session, session.client().call("PUT", "/api/v1/certificate", &body));
}

Result<int> make(const Session& session, const std::string& how, const std::vector<std::string>& names) {
  JsonArray list;
  for (const auto& name : names) list.emplace_back(name);
  const JsonObject body{{"names", std::move(list)}};
  return show(session, session.client().call("POST", "/api/v1/certificate/" + how, &body));
}

Result<int> root(const Session& session) {
  const auto answer = session.client().get("/api/v1/certificate");
  if (!answer) return std::unexpected(answer.error());
  const auto pem = base::string_or(answer->as_object(), "root_pem");
  if (pem.empty()) {
    return fail(ErrorKind::not_found, "no_own_authority",
                "this server is no authority of its own; `latchkey certificate own-ca` makes one");
  }
  print(session.json ? pretty(JsonObject{{"root_pem", pem}}) : pem);
  return 0;
}

}  // namespace

void add_certificate_verbs(CLI::App& app, Session& session) {
  CLI::App& certificate = *app.add_subcommand("certificate", "The certificate that the server listens with");
  certificate.require_subcommand(1);
  on_run(
      add_verb(
          certificate, session, "show",
          "Show what is served, and how long it is good. Exit status 1 where the files hold something that cannot be used"),
      session, [&session] { return show(session, session.client().get("/api/v1/certificate")); });

  struct Pair {
    std::string certificate;
    std::string key;
  };
  auto pair = std::make_shared<Pair>();
  CLI::App& given =
      add_verb(certificate, session, "use",
               "Hand over a certificate and its key: they are checked, copied into the data directory, and served at once");
  given.add_option("CERTIFICATE", pair->certificate, "PEM: the server's own certificate first, then the intermediate ones")
      ->required();
  given.add_option("KEY", pair->key, "PEM, without a passphrase")->required();
  on_run(given, session, [&session, pair] { return use(session, pair->certificate, pair->key); });

  auto names = std::make_shared<std::vector<std::string>>();
  const char* names_words =
      "A host name or IP address it is for; may be given several times. Default: those of public_url and of the listener";
  CLI::App& own = add_verb(
      certificate, session, "own-ca",
      "Let the server be an authority of its own: devices import its root once, certificates are renewed by themselves");
  own.add_option("--name", *names, names_words)->type_name("NAME");
  on_run(own, session, [&session, names] { return make(session, "own-authority", *names); });
  CLI::App& self = add_verb(certificate, session, "self-signed",
                            "Serve a certificate that vouches for itself: for trying out, since every browser warns");
  self.add_option("--name", *names, names_words)->type_name("NAME");
  on_run(self, session, [&session, names] { return make(session, "self-signed", *names); });
  on_run(add_verb(certificate, session, "root", "Print the root of the own authority (PEM)"), session,
         [&session] { return root(session); });
}

}  // namespace latchkey::app
