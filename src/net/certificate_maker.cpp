#include "net/certificate_maker.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>

#include "net/certificate.h"
#include "net/ip_address.h"

namespace latchkey::net {

namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* what) const {
    Free(what);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Freed<X509_free>>;
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;

constexpr int kSerialBits = 127;
constexpr auto kBackdated = std::chrono::days(1);

std::unexpected<Error> openssl_failed(const char* what) {
  const auto* reason = ERR_reason_error_string(ERR_get_error());
  ERR_clear_error();
  return fail(ErrorKind::bug, "openssl_failed", "The certificate could not be made.",
              {.detail = std::string(what) + ": " + (reason != nullptr ? reason : "no reason")});
}

bool is_dns_name(std::string_view name) {
  if (name.starts_with("*.")) name.remove_prefix(2);
  if (name.empty() || name.size() > 253 || name.starts_with('.') || name.ends_with('.') || name.contains("..")) return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

std::string general_name(const std::string& name) { return (IpAddress::parse(name) ? "IP:" : "DNS:") + name; }

std::string subject_names(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : ",") + general_name(name);
  return out;
}

// What is not named is excluded: a constraint on one kind of name says nothing of another kind.
std::string name_constraints(const std::vector<std::string>& names) {
  std::string out = "critical";
  bool any_dns = false;
  bool any_v4 = false;
  bool any_v6 = false;
  for (const auto& name : names) {
    const auto address = IpAddress::parse(name);
    if (!address) {
      any_dns = true;
      out += ",permitted;DNS:" + (name.starts_with("*.") ? name.substr(2) : name);
    } else if (address->is_v4()) {
      any_v4 = true;
      out += ",permitted;IP:" + name + "/255.255.255.255";
    } else {
      any_v6 = true;
      out += ",permitted;IP:" + name + "/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    }
  }
  if (!any_dns) out += ",permitted;DNS:invalid";  // RFC 6761: nobody's
  if (!any_v4) out += ",excluded;IP:0.0.0.0/0.0.0.0";
  if (!any_v6) out += ",excluded;IP:0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0";
  // No constraint of these kinds stands for "all of them" in every client; one that permits nobody's host leaves nobody.
  out += ",permitted;email:invalid,permitted;URI:invalid";
  return out;
}

bool extend(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  const bool added = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

// A number as common name would be read as a host name where there is no other one, and judged by the constraints on those.
std::string title_of(const std::vector<std::string>& names) {
  const auto name = std::ranges::find_if(names, [](const std::string& each) { return !IpAddress::parse(each); });
  return name == names.end() ? "Latchkey" : *name;
}

bool set_title(X509* certificate, const std::string& title) {
  return X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(title.data()),
                                    static_cast<int>(std::min<std::size_t>(title.size(), 64)), -1, 0) == 1;
}

// Version, serial number, validity, subject and key: all but issuer, extensions and signature.
CertificatePtr begin_certificate(const std::string& title, EVP_PKEY* key, Validity validity) {
  CertificatePtr certificate(X509_new());
  const std::unique_ptr<BIGNUM, Freed<BN_free>> serial(BN_new());
  const auto seconds = [](WallTime time) {
    return static_cast<time_t>(std::chrono::floor<Seconds>(time).time_since_epoch().count());
  };
  const bool done = certificate && serial && X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
                    BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                    BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate.get())) != nullptr &&
                    ASN1_TIME_set(X509_getm_notBefore(certificate.get()), seconds(validity.from - kBackdated)) != nullptr &&
                    ASN1_TIME_set(X509_getm_notAfter(certificate.get()), seconds(validity.until)) != nullptr &&
                    X509_set_pubkey(certificate.get(), key) == 1 && set_title(certificate.get(), title);
  return done ? std::move(certificate) : nullptr;
}

std::string pem_of(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_X509(bio.get(), certificate) != 1) return {};
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

Secret pem_of(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_secmem()));
  if (!bio || PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) return {};
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return Secret(std::string_view(text, static_cast<std::size_t>(size)));
}

CertificatePtr read_certificate(std::string_view pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return CertificatePtr(bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr);
}

int no_passphrase(char*, int, int, void*) { return -1; }

KeyPtr read_key(const Secret& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.reveal().data(), static_cast<int>(pem.size())));
  return KeyPtr(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr) : nullptr);
}

}  // namespace

Result<void> check_certificate_names(const std::vector<std::string>& names) {
  if (names.empty() || names.size() > kNamesMax) {
    return fail(ErrorKind::invalid, "bad_name", "A certificate is for one to " + std::to_string(kNamesMax) + " names.",
                {.field = "names"});
  }
  for (const auto& name : names) {
    if (IpAddress::parse(name) || is_dns_name(name)) continue;
    return fail(ErrorKind::invalid, "bad_name",
                "'" + name + "' is neither a host name, such as latchkey.example, nor an IP address.", {.field = "names"});
  }
  return {};
}

Result<KeyedCertificate> make_self_signed(const std::vector<std::string>& names, Validity validity) {
  if (auto fit = check_certificate_names(names); !fit) return std::unexpected(fit.error());
  const KeyPtr key(EVP_EC_gen("P-256"));
  if (!key) return openssl_failed("key");
  const auto certificate = begin_certificate(title_of(names), key.get(), validity);
  if (!certificate) return openssl_failed("certificate");
  X509* made = certificate.get();
  const bool done = X509_set_issuer_name(made, X509_get_subject_name(made)) == 1 &&
                    extend(made, made, NID_subject_alt_name, subject_names(names)) &&
                    extend(made, made, NID_basic_constraints, "critical,CA:FALSE") &&
                    extend(made, made, NID_key_usage, "critical,digitalSignature") &&
                    extend(made, made, NID_ext_key_usage, "serverAuth") &&
                    extend(made, made, NID_subject_key_identifier, "hash") && X509_sign(made, key.get(), EVP_sha256()) > 0;
  if (!done) return openssl_failed("extensions");
  return KeyedCertificate{pem_of(made), pem_of(key.get())};
}

Result<KeyedCertificate> make_authority(const std::string& title, const std::vector<std::string>& names, Validity validity) {
  if (auto fit = check_certificate_names(names); !fit) return std::unexpected(fit.error());
  const KeyPtr key(EVP_EC_gen("P-256"));
  if (!key) return openssl_failed("key");
  const auto certificate = begin_certificate(title, key.get(), validity);
  if (!certificate) return openssl_failed("certificate");
  X509* made = certificate.get();
  const bool done = X509_set_issuer_name(made, X509_get_subject_name(made)) == 1 &&
                    extend(made, made, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                    extend(made, made, NID_key_usage, "critical,keyCertSign,cRLSign") &&
                    // Of an authority it bounds what those it signs are good for: neither mail nor code nor a client's name.
                    extend(made, made, NID_ext_key_usage, "serverAuth") &&
                    extend(made, made, NID_subject_key_identifier, "hash") &&
                    extend(made, made, NID_name_constraints, name_constraints(names)) &&
                    X509_sign(made, key.get(), EVP_sha256()) > 0;
  if (!done) return openssl_failed("extensions");
  return KeyedCertificate{pem_of(made), pem_of(key.get())};
}

Result<KeyedCertificate> issue_certificate(const KeyedCertificate& authority, const std::vector<std::string>& names,
                                           Validity validity) {
  if (auto fit = check_certificate_names(names); !fit) return std::unexpected(fit.error());
  const auto root = read_certificate(authority.certificate);
  const auto root_key = read_key(authority.key);
  const KeyPtr key(EVP_EC_gen("P-256"));
  if (!root || !root_key || !key) return openssl_failed("authority");
  const auto certificate = begin_certificate(title_of(names), key.get(), validity);
  if (!certificate) return openssl_failed("certificate");
  X509* made = certificate.get();
  const bool done = X509_set_issuer_name(made, X509_get_subject_name(root.get())) == 1 &&
                    extend(made, root.get(), NID_subject_alt_name, subject_names(names)) &&
                    extend(made, root.get(), NID_basic_constraints, "critical,CA:FALSE") &&
                    extend(made, root.get(), NID_key_usage, "critical,digitalSignature") &&
                    extend(made, root.get(), NID_ext_key_usage, "serverAuth") &&
                    extend(made, root.get(), NID_subject_key_identifier, "hash") &&
                    extend(made, root.get(), NID_authority_key_identifier, "keyid:always") &&
                    X509_sign(made, root_key.get(), EVP_sha256()) > 0;
  if (!done) return openssl_failed("extensions");
  return KeyedCertificate{pem_of(made) + authority.certificate, pem_of(key.get())};
}

std::string der_of(const std::string& pem) {
  const auto certificate = read_certificate(pem);
  ERR_clear_error();
  if (!certificate) return {};
  unsigned char* octets = nullptr;
  const int size = i2d_X509(certificate.get(), &octets);
  if (size <= 0) return {};
  std::string out(reinterpret_cast<const char*>(octets), static_cast<std::size_t>(size));
  OPENSSL_free(octets);
  return out;
}

Result<void> check_pair(std::string_view certificate, const Secret& key) {
  if (const auto read = read_certificates(certificate); !read) return std::unexpected(read.error());
  const auto own = read_certificate(certificate);
  const auto private_key = read_key(key);
  ERR_clear_error();
  if (!private_key)
    return fail(ErrorKind::invalid, "key_unreadable",
                "The key is no PEM private key that can be used (one with a passphrase cannot).", {.field = "key"});
  const bool fit = X509_check_private_key(own.get(), private_key.get()) == 1;
  ERR_clear_error();
  if (!fit)
    return fail(ErrorKind::invalid, "key_mismatch", "The key does not belong to the first certificate of the file.",
                {.field = "key"});
  return {};
}

}  // namespace latchkey::net
