#include "net/certificate.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>

#include "base/bytes.h"
#include "net/http_headers.h"
#include "net/ip_address.h"

namespace latchkey::net {

namespace {

constexpr std::size_t kCertificatesMax = 20;

std::string common_name(X509_NAME* name) {
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at >= 0) {
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (size >= 0) {
      std::string out(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
      OPENSSL_free(text);
      return out;
    }
  }
  std::array<char, 512> line{};
  X509_NAME_oneline(name, line.data(), static_cast<int>(line.size()));
  return line.data();
}

WallTime time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return WallTime(std::chrono::seconds(timegm(&parts)));
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

std::string address_text(const ASN1_OCTET_STRING* octets) {
  const auto* data = ASN1_STRING_get0_data(octets);
  if (ASN1_STRING_length(octets) == 4) {
    return IpAddress::v4((std::uint32_t{data[0]} << 24) | (std::uint32_t{data[1]} << 16) | (std::uint32_t{data[2]} << 8) | data[3]).text();
  }
  if (ASN1_STRING_length(octets) != 16) return {};
  std::array<std::uint8_t, 16> wide{};
  std::copy_n(data, wide.size(), wide.begin());
  return IpAddress::v6(wide).text();
}

std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> out;
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    std::string text;
    if (name->type == GEN_DNS) {
      text.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)), static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
      text = lower(std::move(text));
    } else if (name->type == GEN_IPADD) {
      text = address_text(name->d.iPAddress);
    }
    if (!text.empty() && !text.contains('\0')) out.push_back(std::move(text));
  }
  GENERAL_NAMES_free(names);
  return out;
}

bool name_fits(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with("*.")) return equal_ignoring_case(pattern, host);
  const auto dot = host.find('.');
  return dot != std::string_view::npos && dot > 0 && equal_ignoring_case(host.substr(dot + 1), pattern.substr(2));
}

}  // namespace

Certificate describe_certificate(x509_st* certificate) {
  Certificate out;
  out.subject = common_name(X509_get_subject_name(certificate));
  out.issuer = common_name(X509_get_issuer_name(certificate));
  out.names = names_of(certificate);
  out.not_before = time_of(X509_get0_notBefore(certificate));
  out.not_after = time_of(X509_get0_notAfter(certificate));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) == 1) out.fingerprint = base::to_hex({digest.data(), size});
  out.authority = X509_check_ca(certificate) > 0;
  out.self_signed = X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0;
  ERR_clear_error();
  return out;
}

Result<std::vector<Certificate>> read_certificates(std::string_view pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(std::min<std::size_t>(pem.size(), 1 << 20))), &BIO_free_all);
  std::vector<Certificate> out;
  while (out.size() < kCertificatesMax) {
    const std::unique_ptr<X509, decltype(&X509_free)> next(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
    if (!next) break;
    out.push_back(describe_certificate(next.get()));
  }
  const auto code = ERR_peek_last_error();
  ERR_clear_error();
  if (code != 0 && ERR_GET_REASON(code) != PEM_R_NO_START_LINE) {
    return fail(ErrorKind::invalid, "bad_certificate", "A certificate in it cannot be read; the file must be PEM, the server's own certificate first.");
  }
  if (out.empty()) return fail(ErrorKind::invalid, "no_certificate", "There is no PEM certificate in it.");
  return out;
}

bool is_for_host(const Certificate& certificate, std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (const auto address = IpAddress::parse(host)) return std::ranges::find(certificate.names, address->text()) != certificate.names.end();
  return std::ranges::any_of(certificate.names, [&](const std::string& name) { return name_fits(name, host); });
}

}  // namespace latchkey::net
