// DATA/tls: the certificate that the server keeps itself, and its own authority.
//
//   choice            JSON: {"source": "given" | "own_authority" | "self_signed", "names": [...], "root_names": [...]};
//   absent: TLS was
//                     never chosen
//   certificate.pem   what is served, the server's own certificate first
//   key.pem           its key, mode 0600
//   root.pem          the own authority's root; root-key.pem (0600): its key
//
// Every file is written under another name, synced, and then renamed: a reader sees the old one or the new one, whole.
// Certificate and key are two files: whoever reads in between finds a pair that does not fit, keeps what is served and reads
// again.
#pragma once

#include <string>
#include <vector>

#include "console/certificate_desk.h"
#include "net/certificate_maker.h"

namespace latchkey::app {

struct TlsChoice {
  console::CertificateSource source = console::CertificateSource::none;
  std::vector<std::string> names;       // of an own or self-signed one
  std::vector<std::string> root_names;  // those that the own authority's root is good for; kept whatever is chosen
};

struct TlsFile {
  std::string name;  // one of kTlsFiles
  Secret content;
};
inline constexpr std::string_view kTlsFiles[] = {"choice", "certificate.pem", "key.pem", "root.pem", "root-key.pem"};

// A value: a path. Every call reads or writes the files. BLOCKS (small files).
class TlsFolder {
 public:
  explicit TlsFolder(const std::string& data) : path_(data + "/tls") {}

  // What was chosen; `none` where nothing was, or where the file cannot be read.
  [[nodiscard]] TlsChoice choice() const;
  // Errors of all that write: misconfigured/`tls_folder` with the reason.
  [[nodiscard]] Result<void> put(const TlsChoice& choice, const net::KeyedCertificate& served) const;
  [[nodiscard]] Result<void> put_root(const net::KeyedCertificate& root) const;
  // Empty members: there is none.
  [[nodiscard]] net::KeyedCertificate root() const;

  // Every file that is there. Errors: misconfigured/`tls_folder`: one cannot be read.
  [[nodiscard]] Result<std::vector<TlsFile>> files() const;

  [[nodiscard]] std::string certificate_file() const { return path_ + "/certificate.pem"; }
  [[nodiscard]] std::string root_file() const { return path_ + "/root.pem"; }
  [[nodiscard]] std::string key_file() const { return path_ + "/key.pem"; }

 private:
  [[nodiscard]] Result<void> write(const std::string& name, std::string_view text) const;

  std::string path_;
};

// Whether certificate and key belong together, and those of the root likewise, where they are there: false of what was read
// while they were being written.
[[nodiscard]] bool are_whole(const std::vector<TlsFile>& files);

// A file of at most 256 KiB; empty: it cannot be read.
[[nodiscard]] Secret read_small_file(const std::string& path);

}  // namespace latchkey::app
