#include "app/certificate_keeper.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

namespace latchkey::app {
namespace {

using console::CertificateSource;
using console::CertificateStatus;
using std::chrono::days;

constexpr days kWarnBeforeMax{21};

std::string day_of(WallTime time) { return base::to_rfc3339(time).substr(0, 10); }

// What is renewed from outside is late when a quarter of its life is left.
bool ends_soon(const net::Certificate& certificate, WallTime now) {
  const auto life = certificate.not_after - certificate.not_before;
  return certificate.not_after - now < std::min<Milliseconds>(kWarnBeforeMax, life / 4);
}

bool is_own_make(CertificateSource source) {
  return source == CertificateSource::own_authority || source == CertificateSource::self_signed;
}

}  // namespace

CertificateKeeper::CertificateKeeper(Parts parts) : parts_(std::move(parts)) {
  if (parts_.certificate_file.empty()) {
    choice_ = parts_.folder.choice();
    parts_.certificate_file = parts_.folder.certificate_file();
    parts_.key_file = parts_.folder.key_file();
  } else {
    choice_.source = CertificateSource::configured;
  }
  root_ = choice_.source == CertificateSource::own_authority ? parts_.folder.root().certificate : std::string();
  certificate_mark_ = mark_of(parts_.certificate_file);
  key_mark_ = mark_of(parts_.key_file);
  const auto text = read_small_file(parts_.certificate_file);
  if (choice_.source != CertificateSource::none)
    served_ = net::read_certificates(text.reveal_text()).value_or(std::vector<net::Certificate>());
  publish();
  worker_ = base::hire_threads("certificate", 1);
}

CertificateStatus CertificateKeeper::status() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

std::string CertificateKeeper::root() const {
  const std::lock_guard lock(mutex_);
  return published_root_;
}

void CertificateKeeper::publish() {
  CertificateStatus status;
  status.source = choice_.source;
  status.served = parts_.context != nullptr && choice_.source != CertificateSource::none;
  status.chain = served_;
  if (choice_.source != CertificateSource::none) {
    status.certificate_file = parts_.certificate_file;
    status.key_file = parts_.key_file;
  }
  status.problem = problem_;
  if (const auto root = net::read_certificates(root_); root && !root_.empty()) status.root = root->front();
  const std::lock_guard lock(mutex_);
  published_ = std::move(status);
  published_root_ = root_;
}

CertificateKeeper::Mark CertificateKeeper::mark_of(const std::string& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0) return {};
  return {.changed_ns = std::int64_t{status.st_ctim.tv_sec} * 1'000'000'000 + status.st_ctim.tv_nsec,
          .inode = static_cast<std::int64_t>(status.st_ino),
          .size = static_cast<std::int64_t>(status.st_size)};
}

Task<void> CertificateKeeper::keep_looking(SteadyClock& steady) {
  for (;;) {
    co_await worker_->run([this] {
      look(Anew::if_changed);
      return true;
    });
    co_await steady.sleep_for(kLookEvery);
  }
}

Task<void> CertificateKeeper::look_again() {
  co_await worker_->run([this] {
    look(Anew::always);
    return true;
  });
}

void CertificateKeeper::look(Anew anew) {
  if (choice_.source == CertificateSource::none) return;
  renew_if_due();
  const auto certificate_mark = mark_of(parts_.certificate_file);
  const auto key_mark = mark_of(parts_.key_file);
  const bool changed = certificate_mark != certificate_mark_ || key_mark != key_mark_;
  if (changed || anew == Anew::always) {
    certificate_mark_ = certificate_mark;
    key_mark_ = key_mark;
    take_up(std::string(read_small_file(parts_.certificate_file).reveal_text()), read_small_file(parts_.key_file));
    publish();
  }
  if (!served_.empty()) warn_of_end(served_.front());
}

// What the files hold now, into use; or not, and said why.
void CertificateKeeper::take_up(const std::string& certificate, const Secret& key) {
  if (const auto fits = net::check_pair(certificate, key); !fits) return refuse_new(fits.error().text);
  auto read = net::read_certificates(certificate).value();
  const auto now = parts_.wall.now();
  const bool old_one_serves = !served_.empty() && served_.front().not_after > now;
  if (read.front().not_after <= now && old_one_serves)
    return refuse_new(fmt::format("The new certificate ended on {}.", day_of(read.front().not_after)));
  if (parts_.context != nullptr) {
    if (const auto loaded = parts_.context->reload(); !loaded) return refuse_new(loaded.error().text);
  }
  served_ = std::move(read);
  problem_.clear();
  parts_.alerts.clear("certificate_refused");
  parts_.log.info("certificate_in_use", {{"subject", served_.front().subject},
                                         {"issuer", served_.front().issuer},
                                         {"until", day_of(served_.front().not_after)}});
}

void CertificateKeeper::refuse_new(const std::string& why) {
  // An alert that stands is not logged again, and whoever has just put another pair there looks into the log for it.
  if (!problem_.empty()) parts_.log.warning("certificate_refused_again", {{"words", why}});
  problem_ = why;
  parts_.alerts.raise("certificate_refused",
                      fmt::format("{} and {} hold something new that cannot be used; the certificate before goes on. {}",
                                  parts_.certificate_file, parts_.key_file, why));
}

void CertificateKeeper::warn_of_end(const net::Certificate& certificate) {
  const auto now = parts_.wall.now();
  if (!ends_soon(certificate, now)) return parts_.alerts.clear("certificate_expires");
  const auto* what = certificate.not_after <= now ? "ended" : "ends";
  parts_.alerts.raise(
      "certificate_expires",
      fmt::format("The certificate of {} {} on {}. {}", certificate.subject, what, day_of(certificate.not_after),
                  is_own_make(choice_.source) ? "The server could not renew it; its log says why."
                                              : "Put a new one into the same files; it is taken up by itself."));
}

void CertificateKeeper::renew_if_due() {
  if (!is_own_make(choice_.source) || served_.empty()) return;
  const auto& own = served_.front();
  if (own.not_after - parts_.wall.now() > (own.not_after - own.not_before) / 3) return;
  auto choice = choice_;
  const auto made = make(choice);
  const auto kept = made ? parts_.folder.put(choice, *made) : std::unexpected(made.error());
  if (!kept) return parts_.log.error("certificate_not_renewed", kept.error());
  choice_ = std::move(choice);
}

Result<net::KeyedCertificate> CertificateKeeper::make(TlsChoice& choice) {
  auto made = make_own_certificate(parts_.folder, choice, parts_.wall.now());
  if (!made || choice.source != CertificateSource::own_authority) return made;
  auto root = parts_.folder.root().certificate;
  if (root != root_) parts_.log.info("own_authority_made", {{"name", choice.names.front()}});
  root_ = std::move(root);
  return made;
}

Result<void> CertificateKeeper::check_may_choose() const {
  if (choice_.source != CertificateSource::configured) return {};
  return fail(ErrorKind::conflict, "certificate_configured",
              fmt::format("The configuration names the files: tls.certificate = {}. Put the new pair there (it is taken up "
                          "by itself), or take "
                          "tls.certificate and tls.key out of the configuration and restart.",
                          parts_.certificate_file));
}

std::vector<std::string> CertificateKeeper::names_or_own(std::vector<std::string> names) const {
  if (names.empty()) return parts_.names;
  return names;
}

Result<CertificateStatus> CertificateKeeper::choose(TlsChoice choice, const net::KeyedCertificate& made) {
  if (auto kept = parts_.folder.put(choice, made); !kept) return std::unexpected(kept.error());
  choice_ = std::move(choice);
  if (choice_.source != CertificateSource::own_authority) root_.clear();
  look(Anew::always);
  return status();
}

Task<Result<CertificateStatus>> CertificateKeeper::use(std::string certificate, Secret key) {
  auto pair = std::make_shared<net::KeyedCertificate>(net::KeyedCertificate{std::move(certificate), std::move(key)});
  co_return co_await worker_->run([this, pair]() -> Result<CertificateStatus> {
    if (auto may = check_may_choose(); !may) return std::unexpected(may.error());
    if (auto fits = net::check_pair(pair->certificate, pair->key); !fits) return std::unexpected(fits.error());
    const auto own = net::read_certificates(pair->certificate).value().front();
    if (own.not_after <= parts_.wall.now()) {
      return fail(ErrorKind::invalid, "certificate_expired",
                  fmt::format("The certificate ended on {}.", day_of(own.not_after)), {.field = "certificate"});
    }
    return choose({.source = CertificateSource::given, .names = {}, .root_names = choice_.root_names}, *pair);
  });
}

Task<Result<CertificateStatus>> CertificateKeeper::own_authority(std::vector<std::string> names) {
  co_return co_await worker_->run([this, names = names_or_own(std::move(names))]() -> Result<CertificateStatus> {
    if (auto may = check_may_choose(); !may) return std::unexpected(may.error());
    TlsChoice choice{.source = CertificateSource::own_authority, .names = names, .root_names = choice_.root_names};
    const auto made = make(choice);
    if (!made) return std::unexpected(made.error());
    return choose(std::move(choice), *made);
  });
}

Task<Result<CertificateStatus>> CertificateKeeper::self_signed(std::vector<std::string> names) {
  co_return co_await worker_->run([this, names = names_or_own(std::move(names))]() -> Result<CertificateStatus> {
    if (auto may = check_may_choose(); !may) return std::unexpected(may.error());
    TlsChoice choice{.source = CertificateSource::self_signed, .names = names, .root_names = choice_.root_names};
    const auto made = make(choice);
    if (!made) return std::unexpected(made.error());
    return choose(std::move(choice), *made);
  });
}

std::string certificate_words(const CertificateStatus& status, std::string_view public_url) {
  if (!status.served || status.chain.empty()) return {};
  if (status.source == CertificateSource::self_signed) {
    return fmt::format(
        "Its certificate vouches for itself: every browser warns, and most devices refuse it. SHA-256 {}\n"
        "For a better one: `latchkey certificate own-ca`, or `latchkey certificate use CERTIFICATE KEY`.\n",
        status.chain.front().fingerprint);
  }
  if (status.source == CertificateSource::own_authority && status.root) {
    return fmt::format(
        "Its certificate is of its own authority. Devices and browsers import the root once: {}/own-root.crt\n"
        "Compare the root's SHA-256 there: {}\n",
        public_url, status.root->fingerprint);
  }
  return {};
}

Task<std::vector<console::Metric>> CertificateKeeper::collect() {
  std::vector<console::Metric> metrics;
  const auto now = status();
  if (!now.served || now.chain.empty()) co_return metrics;
  const auto left = std::chrono::duration<double>(now.chain.front().not_after - parts_.wall.now()).count() / 86'400;
  metrics.push_back({.name = "latchkey_certificate_days_left",
                     .help = "Until the certificate of the listener ends; negative: it has",
                     .value = left});
  metrics.push_back({.name = "latchkey_certificate_refused",
                     .help = "1 while its files hold something that cannot be used",
                     .value = now.problem.empty() ? 0.0 : 1.0});
  co_return metrics;
}

}  // namespace latchkey::app
