// The certificate that the listener serves: read again when its files change, checked before it is put into use, and renewed
// by itself where the server makes it.
//
// Invariants: what is served is whole, belongs to its key, and was in force when it was put into use; what does not is left
// alone, an alert says why, and the one before goes on. Certificates of the server's own making are renewed when a third of
// their life is left, with a new key.
// Concurrency: everything but status() and root() runs on one worker thread, one thing at a time.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "app/own_certificate.h"
#include "base/pool.h"
#include "console/certificate_desk.h"
#include "console/probes.h"
#include "grants/alerts.h"
#include "net/tls.h"

namespace latchkey::app {

// A resource.
class CertificateKeeper final : public console::CertificateDesk, public console::MetricsSource {
 public:
  static constexpr Seconds kLookEvery{5};

  struct Parts {
    std::string certificate_file;  // of the configuration; empty: the folder's choice counts
    std::string key_file;
    TlsFolder folder;
    std::vector<std::string> names;            // for which a certificate is made unless others are given
    net::TlsServerContext* context = nullptr;  // of the listener; nullptr: it speaks in clear
    grants::Alerts& alerts;
    const WallClock& wall;
    Log& log;
  };
  // Looks at what is there, without changing it.
  explicit CertificateKeeper(Parts parts);
  CertificateKeeper(const CertificateKeeper&) = delete;
  CertificateKeeper& operator=(const CertificateKeeper&) = delete;

  [[nodiscard]] console::CertificateStatus status() const override;
  [[nodiscard]] Task<Result<console::CertificateStatus>> use(std::string certificate, Secret key) override;
  [[nodiscard]] Task<Result<console::CertificateStatus>> own_authority(std::vector<std::string> names) override;
  [[nodiscard]] Task<Result<console::CertificateStatus>> self_signed(std::vector<std::string> names) override;
  [[nodiscard]] std::string root() const override;
  [[nodiscard]] Task<std::vector<console::Metric>> collect() override;

  // For ever: files that have changed, ends that come near, renewal. The caller owns the task.
  [[nodiscard]] Task<void> keep_looking(SteadyClock& steady);
  // Once, and the files whether they look changed or not (SIGHUP).
  [[nodiscard]] Task<void> look_again();

 private:
  // What tells whether a file has changed, without reading it.
  struct Mark {
    std::int64_t changed_ns = 0;
    std::int64_t inode = 0;
    std::int64_t size = -1;
    friend bool operator==(const Mark&, const Mark&) = default;
  };
  enum class Anew { if_changed, always };
  [[nodiscard]] static Mark mark_of(const std::string& file);
  void look(Anew anew);
  void take_up(const std::string& certificate, const Secret& key);
  void renew_if_due();
  [[nodiscard]] Result<net::KeyedCertificate> make(TlsChoice& choice);
  [[nodiscard]] Result<console::CertificateStatus> choose(TlsChoice choice, const net::KeyedCertificate& made);
  [[nodiscard]] Result<void> check_may_choose() const;
  [[nodiscard]] std::vector<std::string> names_or_own(std::vector<std::string> names) const;
  void warn_of_end(const net::Certificate& certificate);
  void refuse_new(const std::string& why);
  void publish();

  Parts parts_;
  TlsChoice choice_;
  Mark certificate_mark_;
  Mark key_mark_;
  std::vector<net::Certificate> served_;
  std::string problem_;
  std::string root_;
  mutable std::mutex mutex_;
  console::CertificateStatus published_;  // under mutex_
  std::string published_root_;            // under mutex_
  std::unique_ptr<Worker> worker_;        // the last member: it ends before what it works on
};

// For whoever started the server: what a certificate of its own making means for browsers and devices. Empty for any other.
[[nodiscard]] std::string certificate_words(const console::CertificateStatus& status, std::string_view public_url);

}  // namespace latchkey::app
