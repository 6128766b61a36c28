#include "app/tls_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/json.h"

namespace latchkey::app {
namespace {

using console::CertificateSource;

constexpr std::size_t kFileBytesMax = 256 * 1024;

std::unexpected<Error> refused(const std::string& path, int code) {
  return fail(ErrorKind::misconfigured, "tls_folder",
              fmt::format("{} cannot be written ({}). Make room, or see that the service's user owns the data folder.", path,
                          std::strerror(code)));
}

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

std::vector<std::string> texts_of(const JsonObject& object, std::string_view name) {
  std::vector<std::string> out;
  const auto* items = base::find_array(object, name);
  if (items == nullptr) return out;
  for (const Json& item : *items) {
    if (item.is_string()) out.emplace_back(item.as_string());
  }
  return out;
}

JsonArray array_of(const std::vector<std::string>& texts) {
  JsonArray out;
  for (const auto& text : texts) out.emplace_back(text);
  return out;
}

}  // namespace

Secret read_small_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return {};
  auto all = Secret::of_size(kFileBytesMax);
  std::size_t size = 0;
  while (size < kFileBytesMax) {
    const auto got = ::read(descriptor, all.writable().data() + size, kFileBytesMax - size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  ::close(descriptor);
  return Secret(all.reveal().first(size));
}

Result<void> TlsFolder::write(const std::string& name, std::string_view text) const {
  if (::mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST) return refused(path_, errno);
  const auto path = path_ + "/" + name;
  const auto draft = path + ".new";
  const int descriptor = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return refused(draft, errno);
  const bool kept = write_all(descriptor, text) && ::fsync(descriptor) == 0;
  const int code = errno;
  ::close(descriptor);
  if (!kept) return refused(draft, code);
  if (::rename(draft.c_str(), path.c_str()) != 0) return refused(path, errno);
  return {};
}

TlsChoice TlsFolder::choice() const {
  const auto text = read_small_file(path_ + "/choice");
  const auto json = base::parse_json(text.reveal_text());
  TlsChoice choice;
  if (!json || !json->is_object()) return choice;
  const auto word = base::string_or(json->get_object(), "source");
  for (const auto source : {CertificateSource::given, CertificateSource::own_authority, CertificateSource::self_signed}) {
    if (word == console::name_of(source)) choice.source = source;
  }
  choice.names = texts_of(json->get_object(), "names");
  choice.root_names = texts_of(json->get_object(), "root_names");
  return choice;
}

// The choice last: it names what is whole by then.
Result<void> TlsFolder::put(const TlsChoice& choice, const net::KeyedCertificate& served) const {
  if (auto done = write("key.pem", served.key.reveal_text()); !done) return done;
  if (auto done = write("certificate.pem", served.certificate); !done) return done;
  const JsonObject json{{"source", console::name_of(choice.source)},
                        {"names", array_of(choice.names)},
                        {"root_names", array_of(choice.root_names)}};
  return write("choice", boost::json::serialize(json) + "\n");
}

// The key first: a root without one could issue nothing, and would be made anew.
Result<void> TlsFolder::put_root(const net::KeyedCertificate& root) const {
  if (auto done = write("root-key.pem", root.key.reveal_text()); !done) return done;
  return write("root.pem", root.certificate);
}

Result<std::vector<TlsFile>> TlsFolder::files() const {
  std::vector<TlsFile> found;
  for (const auto name : kTlsFiles) {
    const auto path = fmt::format("{}/{}", path_, name);
    if (::access(path.c_str(), F_OK) != 0) continue;
    auto content = read_small_file(path);
    if (content.size() == 0) {
      return fail(ErrorKind::misconfigured, "tls_folder",
                  fmt::format("{} cannot be read. Run this as the service's user or as root.", path));
    }
    found.push_back({.name = std::string(name), .content = std::move(content)});
  }
  return found;
}

bool are_whole(const std::vector<TlsFile>& files) {
  const auto fit = [&](std::string_view certificate, std::string_view key) {
    const auto public_part = std::ranges::find(files, certificate, &TlsFile::name);
    const auto private_part = std::ranges::find(files, key, &TlsFile::name);
    if (public_part == files.end() && private_part == files.end()) return true;
    return public_part != files.end() && private_part != files.end() &&
           net::check_pair(std::string(public_part->content.reveal_text()), private_part->content).has_value();
  };
  return fit("certificate.pem", "key.pem") && fit("root.pem", "root-key.pem");
}

net::KeyedCertificate TlsFolder::root() const {
  net::KeyedCertificate out;
  out.certificate = read_small_file(path_ + "/root.pem").reveal_text();
  out.key = read_small_file(path_ + "/root-key.pem");
  if (!net::check_pair(out.certificate, out.key)) return {};
  return out;
}

}  // namespace latchkey::app
