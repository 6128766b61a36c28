#include "net/certificate_maker.h"

#include <gmock/gmock.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "net/certificate.h"

namespace latchkey::net {
namespace {

using std::chrono::days;
using testing::ElementsAre;

const WallTime kNow = std::chrono::floor<Seconds>(base::SystemWallClock().now());
const Validity kQuarter{kNow, kNow + days(90)};
const Validity kDecade{kNow, kNow + days(3650)};

X509* parsed(BIO* bio) { return PEM_read_bio_X509(bio, nullptr, nullptr, nullptr); }

// What a client that has imported only this root says of the chain and host: X509_V_OK or why not.
// `host`: nullptr: any.
int verdict(const std::string& root_pem, const std::string& chain_pem, const char* host, int purpose = X509_PURPOSE_SSL_SERVER) {
  BIO* root_bio = BIO_new_mem_buf(root_pem.data(), static_cast<int>(root_pem.size()));
  BIO* chain_bio = BIO_new_mem_buf(chain_pem.data(), static_cast<int>(chain_pem.size()));
  X509* root = parsed(root_bio);
  X509* own = parsed(chain_bio);
  X509_STORE* store = X509_STORE_new();
  X509_STORE_add_cert(store, root);
  X509_STORE_CTX* context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, own, nullptr);
  X509_VERIFY_PARAM* wanted = X509_STORE_CTX_get0_param(context);
  if (host != nullptr && X509_VERIFY_PARAM_set1_ip_asc(wanted, host) != 1) X509_VERIFY_PARAM_set1_host(wanted, host, 0);
  X509_VERIFY_PARAM_set_purpose(wanted, purpose);
  X509_verify_cert(context);
  const int code = X509_STORE_CTX_get_error(context);
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  X509_free(own);
  X509_free(root);
  BIO_free(chain_bio);
  BIO_free(root_bio);
  return code;
}

TEST(SelfSigned, VouchesForItselfAndForItsNames) {
  const auto made = make_self_signed({"latchkey.example", "192.0.2.7"}, kQuarter);
  ASSERT_TRUE(made) << made.error().detail;
  const auto read = read_certificates(made->certificate).value();
  ASSERT_EQ(read.size(), 1U);
  EXPECT_TRUE(read[0].self_signed);
  EXPECT_FALSE(read[0].authority) << "who imports it trusts it to sign nothing";
  EXPECT_THAT(read[0].names, ElementsAre("latchkey.example", "192.0.2.7"));
  EXPECT_EQ(read[0].not_after, kQuarter.until);
  EXPECT_EQ(read[0].not_before, kQuarter.from - days(1)) << "clocks that are behind";
  EXPECT_TRUE(check_pair(made->certificate, made->key));
  EXPECT_EQ(verdict(made->certificate, made->certificate, "latchkey.example"), X509_V_OK);
}

TEST(OwnAuthority, IssuesWhatClientsWithItsRootAccept) {
  const auto root = make_authority("Latchkey of latchkey.example", {"latchkey.example", "192.0.2.7"}, kDecade);
  ASSERT_TRUE(root) << root.error().detail;
  const auto issued = issue_certificate(*root, {"latchkey.example", "192.0.2.7"}, kQuarter);
  ASSERT_TRUE(issued) << issued.error().detail;
  const auto chain = read_certificates(issued->certificate).value();
  ASSERT_EQ(chain.size(), 2U);
  EXPECT_FALSE(chain[0].authority);
  EXPECT_TRUE(chain[1].authority);
  EXPECT_EQ(chain[0].issuer, "Latchkey of latchkey.example");
  EXPECT_TRUE(check_pair(issued->certificate, issued->key));
  EXPECT_EQ(verdict(root->certificate, issued->certificate, "latchkey.example"), X509_V_OK);
  EXPECT_EQ(verdict(root->certificate, issued->certificate, "192.0.2.7"), X509_V_OK);
  EXPECT_EQ(verdict(root->certificate, issued->certificate, "other.example"), X509_V_ERR_HOSTNAME_MISMATCH);
}

// Whoever steals the root's key can pose as this server alone.
TEST(OwnAuthority, ItsRootIsGoodForNothingElse) {
  const auto root = make_authority("Latchkey", {"latchkey.example"}, kDecade).value();
  const auto signs = [&](const std::string& name) {
    return verdict(root.certificate, issue_certificate(root, {name}, kQuarter).value().certificate, name.c_str());
  };
  EXPECT_EQ(signs("latchkey.example"), X509_V_OK);
  EXPECT_EQ(signs("smtp.latchkey.example"), X509_V_OK);
  EXPECT_EQ(signs("bank.example"), X509_V_ERR_PERMITTED_VIOLATION);
  EXPECT_EQ(signs("notlatchkey.example"), X509_V_ERR_PERMITTED_VIOLATION);
  EXPECT_EQ(signs("192.0.2.7"), X509_V_ERR_EXCLUDED_VIOLATION);
  EXPECT_EQ(signs("2001:db8::7"), X509_V_ERR_EXCLUDED_VIOLATION);
  const auto numbers = make_authority("Latchkey", {"192.0.2.7"}, kDecade).value();
  EXPECT_EQ(
      verdict(numbers.certificate, issue_certificate(numbers, {"192.0.2.7"}, kQuarter).value().certificate, "192.0.2.7"),
      X509_V_OK);
  EXPECT_EQ(
      verdict(numbers.certificate, issue_certificate(numbers, {"192.0.2.8"}, kQuarter).value().certificate, "192.0.2.8"),
      X509_V_ERR_PERMITTED_VIOLATION);
  EXPECT_EQ(verdict(numbers.certificate, issue_certificate(numbers, {"bank.example"}, kQuarter).value().certificate,
                    "bank.example"),
            X509_V_ERR_PERMITTED_VIOLATION);
}

// A certificate with whatever extensions, signed by the root's key as whoever stole it would.
std::string forged(const KeyedCertificate& root_pair, const std::vector<std::pair<int, std::string>>& extensions) {
  BIO* root_bio = BIO_new_mem_buf(root_pair.certificate.data(), static_cast<int>(root_pair.certificate.size()));
  BIO* key_bio = BIO_new_mem_buf(root_pair.key.reveal().data(), static_cast<int>(root_pair.key.size()));
  X509* root = parsed(root_bio);
  EVP_PKEY* root_key = PEM_read_bio_PrivateKey(key_bio, nullptr, nullptr, nullptr);
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* made = X509_new();
  X509_set_version(made, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made), 7);
  X509_gmtime_adj(X509_getm_notBefore(made), 0);
  X509_gmtime_adj(X509_getm_notAfter(made), 3600);
  X509_set_pubkey(made, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("forged"), -1, -1,
                             0);
  X509_set_issuer_name(made, X509_get_subject_name(root));
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, root, made, nullptr, nullptr, 0);
  for (const auto& [kind, value] : extensions) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    EXPECT_EQ(X509_add_ext(made, extension, -1), 1) << value;
    X509_EXTENSION_free(extension);
  }
  EXPECT_GT(X509_sign(made, root_key, EVP_sha256()), 0);
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(out, made);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  std::string pem(text, static_cast<std::size_t>(size));
  BIO_free(out);
  X509_free(made);
  EVP_PKEY_free(key);
  EVP_PKEY_free(root_key);
  X509_free(root);
  BIO_free(key_bio);
  BIO_free(root_bio);
  return pem;
}

TEST(OwnAuthority, ItSignsForServersAloneAndForNobodysMail) {
  const auto root = make_authority("Latchkey", {"latchkey.example"}, kDecade).value();
  const auto verdict_for = [&](int purpose, const std::string& usage, const std::string& names = "DNS:latchkey.example") {
    return verdict(root.certificate, forged(root, {{NID_ext_key_usage, usage}, {NID_subject_alt_name, names}}), nullptr, purpose);
  };
  EXPECT_EQ(verdict_for(X509_PURPOSE_SSL_SERVER, "serverAuth"), X509_V_OK);
  EXPECT_EQ(verdict_for(X509_PURPOSE_SSL_CLIENT, "clientAuth"), X509_V_ERR_INVALID_PURPOSE);
  EXPECT_EQ(verdict_for(X509_PURPOSE_SMIME_SIGN, "emailProtection"), X509_V_ERR_INVALID_PURPOSE);
  // Whoever asks for no purpose, and minds names alone.
  EXPECT_EQ(verdict_for(X509_PURPOSE_ANY, "serverAuth"), X509_V_OK);
  for (const auto* names : {"email:ceo@bank.example", "email:ceo@latchkey.example", "URI:https://bank.example/"})
    EXPECT_EQ(verdict_for(X509_PURPOSE_ANY, "emailProtection", names), X509_V_ERR_PERMITTED_VIOLATION) << names;

  // OpenSSL does not look at an authority's usage where it verifies code; those who do find servers alone.
  BIO* bio = BIO_new_mem_buf(root.certificate.data(), static_cast<int>(root.certificate.size()));
  X509* read = parsed(bio);
  EXPECT_EQ(X509_get_extended_key_usage(read), static_cast<std::uint32_t>(XKU_SSL_SERVER));
  X509_free(read);
  BIO_free(bio);
}

TEST(CertificateNames, AreHostNamesAndAddresses) {
  EXPECT_TRUE(check_certificate_names({"latchkey.example", "*.office.example", "192.0.2.7", "2001:db8::7", "localhost"}));
  for (const auto* name : {"", "a b", "a,DNS:bank.example", "https://a.example", "a..b", ".a", "a.", "*.*.a", "ä.example"}) {
    EXPECT_EQ(make_self_signed({name}, kQuarter).error().reason, "bad_name") << name;
  }
  EXPECT_EQ(check_certificate_names({}).error().reason, "bad_name");
  EXPECT_FALSE(check_certificate_names(std::vector<std::string>(kNamesMax + 1, "a.example")));
}

TEST(CheckPair, NamesWhatIsWrong) {
  const auto one = make_self_signed({"a.example"}, kQuarter).value();
  const auto other = make_self_signed({"b.example"}, kQuarter).value();
  EXPECT_EQ(check_pair(one.certificate, other.key).error().reason, "key_mismatch");
  EXPECT_EQ(check_pair(one.certificate, Secret("nonsense")).error().reason, "key_unreadable");
  EXPECT_EQ(check_pair("nonsense", one.key).error().reason, "no_certificate");
  EXPECT_EQ(
      check_pair(one.certificate, Secret(std::string_view(
                                      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")))
          .error()
          .reason,
      "key_unreadable");
}

TEST(Der, IsWhatPhonesImport) {
  const auto made = make_self_signed({"a.example"}, kQuarter).value();
  const auto der = der_of(made.certificate);
  ASSERT_GT(der.size(), 100U);
  EXPECT_EQ(der[0], '\x30');
  EXPECT_EQ(der_of("nonsense"), "");
}

}  // namespace
}  // namespace latchkey::net
