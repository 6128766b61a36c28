#include "app/own_certificate.h"

#include <algorithm>

#include "net/certificate.h"
#include "net/url.h"

namespace latchkey::app {
namespace {

using console::CertificateSource;

bool is_whole(const TlsFolder& folder) {
  const auto certificate = read_small_file(folder.certificate_file());
  return net::check_pair(certificate.reveal_text(), read_small_file(folder.key_file())).has_value();
}

void add(std::vector<std::string>& names, std::string name) {
  if (!name.empty() && std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
}

}  // namespace

Result<net::KeyedCertificate> make_own_certificate(const TlsFolder& folder, TlsChoice& choice, WallTime now) {
  const net::Validity life{now, now + kOwnLife};
  if (choice.source == CertificateSource::self_signed) return net::make_self_signed(choice.names, life);
  auto root = folder.root();
  const auto known = net::read_certificates(root.certificate);
  const bool lasts = known && known->front().not_after > life.until;
  if (!lasts || choice.root_names != choice.names) {
    if (auto fit = net::check_certificate_names(choice.names); !fit) return std::unexpected(fit.error());
    auto made = net::make_authority("Latchkey of " + choice.names.front(), choice.names, {now, now + kRootLife});
    if (!made) return made;
    if (auto kept = folder.put_root(*made); !kept) return std::unexpected(kept.error());
    root = std::move(*made);
    choice.root_names = choice.names;
  }
  return net::issue_certificate(root, choice.names, life);
}

std::vector<std::string> own_names(const Config& config) {
  std::vector<std::string> names;
  if (const auto url = net::Url::parse(config.public_url)) {
    auto host = url->host();
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    add(names, std::move(host));
  }
  if (config.listen.address != "0.0.0.0" && config.listen.address != "::") add(names, config.listen.address);
  return names;
}

Result<std::optional<TlsFiles>> settle_tls(Config& config, WallTime now) {
  if (!config.tls_certificate.empty()) return TlsFiles{config.tls_certificate, config.tls_key};
  const TlsFolder folder(config.data);
  auto choice = folder.choice();
  const bool asked_for = choice.source == CertificateSource::none && !config.tls_source.empty();
  if (asked_for)
    choice.source = config.tls_source == "own-authority" ? CertificateSource::own_authority : CertificateSource::self_signed;
  if (choice.source == CertificateSource::none) return std::nullopt;
  if (!config.public_url_given) config.public_url = public_url_of_listener(config.listen, true);
  if (asked_for) choice.names = own_names(config);
  if (asked_for || (choice.source != CertificateSource::given && !is_whole(folder))) {
    const auto made = make_own_certificate(folder, choice, now);
    if (!made) return std::unexpected(made.error());
    if (auto kept = folder.put(choice, *made); !kept) return std::unexpected(kept.error());
  }
  return TlsFiles{folder.certificate_file(), folder.key_file()};
}

}  // namespace latchkey::app
