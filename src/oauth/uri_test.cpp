#include "oauth/uri.h"

#include <gtest/gtest.h>

namespace latchkey::oauth {
namespace {

TEST(Uri, EncodesEverythingButUnreserved) {
  EXPECT_EQ(percent_encode("a b+c/ü~"), "a%20b%2Bc%2F%C3%BC~");
  EXPECT_EQ(form_encode("a b+c"), "a+b%2Bc");
  EXPECT_EQ(percent_decode("a%20b+c"), "a b+c");
  EXPECT_EQ(form_decode("a+b%2bc"), "a b+c");
  EXPECT_EQ(percent_decode("%4"), std::nullopt);
  EXPECT_EQ(percent_decode("%zz"), std::nullopt);
  EXPECT_EQ(percent_decode("abc%"), std::nullopt);
}

TEST(Uri, ParsesFormsAndKeepsDuplicates) {
  auto form = parse_form("a=1&b=&c&a=%26");
  ASSERT_TRUE(form);
  EXPECT_EQ(*form, (Parameters{{"a", "1"}, {"b", ""}, {"c", ""}, {"a", "&"}}));
  EXPECT_EQ(form_body(*form), "a=1&b=&c=&a=%26");
  EXPECT_TRUE(parse_form("")->empty());
  EXPECT_EQ(parse_form("a=%").error().reason, "malformed_form");
  EXPECT_EQ(parse_form("a=1&b=2&c=3", {.parameters_max = 2}).error().reason, "form_too_large");
  EXPECT_EQ(parse_form(std::string(100, 'a'), {.size_bytes_max = 99}).error().reason, "form_too_large");
}

TEST(Uri, SplitsAddresses) {
  auto url = parse_url("HTTPS://Login.Example.COM:8443/a/b?x=1#f");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->host, "login.example.com");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->path, "/a/b");
  EXPECT_EQ(url->query, "x=1");
  EXPECT_EQ(url->origin(), "https://login.example.com:8443");
  EXPECT_EQ(parse_url("https://h.example:443/")->origin(), "https://h.example");
  auto v6 = parse_url("http://[::1]:8481/x");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "::1");
  EXPECT_TRUE(v6->loopback());
  EXPECT_EQ(v6->origin(), "http://[::1]:8481");
}

TEST(Uri, RefusesAPortThatIsNone) {
  for (const auto* text : {"https://host.example:", "https://host.example:/", "https://host.example:x/", "https://host.example:4x/",
                           "https://host.example:+443/", "https://host.example:0/", "https://host.example:65536/", "https://[::1]:/"}) {
    EXPECT_FALSE(parse_url(text)) << text;
    EXPECT_FALSE(check_endpoint(text, PlainHttp::refused)) << text;
    EXPECT_FALSE(check_variable("server", VariableKind::url, text, PlainHttp::refused)) << text;
  }
}

TEST(Uri, RefusesWhatIsNoAddress) {
  for (const char* text : {"", "example.com", "ftp://a.example", "https://", "https://a b", "https://a.example:0",
                           "https://a.example:70000", "https://a..b", "https://-a.example", "https://a.example\n",
                           "https://[::1", "https://{x}.example", "https://0x7f.1", "https://1.2.3", "https://127.1",
                           "https://256.1.1.1", "https://ex\xC3\xA4mple.com"}) {
    EXPECT_FALSE(parse_url(text)) << text;
  }
}

TEST(Uri, ComparesSuffixesByWholeLabels) {
  EXPECT_TRUE(host_has_suffix("eu.example.com", "example.com"));
  EXPECT_TRUE(host_has_suffix("EXAMPLE.com", "example.COM"));
  EXPECT_FALSE(host_has_suffix("badexample.com", "example.com"));
  EXPECT_FALSE(host_has_suffix("example.com.evil.org", "example.com"));
  EXPECT_FALSE(host_has_suffix(".example.com", "example.com"));
  EXPECT_FALSE(host_has_suffix("example.com", ""));
}

TEST(Uri, EndpointsAreHttpsUnlessLoopbackIsAllowed) {
  EXPECT_TRUE(check_endpoint("https://a.example/t", PlainHttp::refused));
  EXPECT_FALSE(check_endpoint("http://a.example/t", PlainHttp::loopback_only));
  EXPECT_FALSE(check_endpoint("http://127.0.0.1:8481/t", PlainHttp::refused));
  EXPECT_TRUE(check_endpoint("http://127.0.0.1:8481/t", PlainHttp::loopback_only));
  EXPECT_FALSE(check_endpoint("http://127.0.0.1.evil.example/t", PlainHttp::loopback_only));
  EXPECT_FALSE(check_endpoint("https://user@a.example/t", PlainHttp::refused));
  EXPECT_FALSE(check_endpoint("https://@a.example/t", PlainHttp::refused));
  EXPECT_FALSE(check_endpoint("https://a.example/t#", PlainHttp::refused));
}

// RULES A7.
TEST(Uri, LearnedHostsMustBeListed) {
  const std::vector<std::string> suffixes{"sharefile.com", "sf-api.com"};
  EXPECT_TRUE(check_learned_url("https://acme.sharefile.com/oauth/token", suffixes));
  for (const char* text :
       {"http://acme.sharefile.com/x", "https://acme.sharefile.com:8443/x", "https://acme.sharefile.com@evil.example/x",
        "https://evil.example/x", "https://notsharefile.com/x", "https://sharefile.com.evil.example/",
        "https://a:b@acme.sharefile.com/", "https://169.254.169.254/", "https://acme.sharefile.com/#x"}) {
    const auto checked = check_learned_url(text, suffixes);
    ASSERT_FALSE(checked) << text;
    EXPECT_EQ(checked.error().reason, "host_not_allowed") << text;
  }
  EXPECT_FALSE(check_learned_url("https://acme.sharefile.com/", {}));
}

TEST(Templates, ListTheirVariables) {
  EXPECT_EQ(*template_variables("https://{a}.{b_2}/x/{a}"), (std::vector<std::string>{"a", "b_2"}));
  for (const char* text : {"{", "}", "{}", "{A}", "{a b}", "a}b{c}"}) EXPECT_FALSE(template_variables(text)) << text;
}

TEST(Templates, PutValuesIn) {
  const Variables values{{"tenant", {VariableKind::segment, "contoso.onmicrosoft.com"}},
                         {"q", {VariableKind::text, "a b/c"}},
                         {"host", {VariableKind::host, "co.uk"}},
                         {"base", {VariableKind::url, "https://cloud.example.org/nc/"}}};
  EXPECT_EQ(*expand_template("https://x/{tenant}?q={q}", values), "https://x/contoso.onmicrosoft.com?q=a%20b%2Fc");
  EXPECT_EQ(*expand_template("https://start.example.{host}/api", values), "https://start.example.co.uk/api");
  EXPECT_EQ(*expand_template("{base}/apps/oauth2", values), "https://cloud.example.org/nc/apps/oauth2");
  EXPECT_EQ(*expand_text("{q}", values), "a b/c");
  const auto missing = expand_template("https://{nobody}", values);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().reason, "missing_value");
  EXPECT_EQ(missing.error().field, "nobody");
}

TEST(Templates, ValuesCannotBreakOut) {
  const auto fits = [](VariableKind kind, std::string_view value) { return check_variable("v", kind, value).has_value(); };
  EXPECT_TRUE(fits(VariableKind::host_label, "acme"));
  for (const char* value : {"", "a.b", "a/b", "a@b", "a:1", "-a", "a_b", "a#", "a?", "a%2e"}) {
    EXPECT_FALSE(fits(VariableKind::host_label, value)) << value;
  }
  EXPECT_TRUE(fits(VariableKind::host, "login.example.com"));
  for (const char* value : {"", "a..b", "a/b", "user@a.example", "a.example:8443", "127.0.0.1", "a.example.", ".a"}) {
    EXPECT_FALSE(fits(VariableKind::host, value)) << value;
  }
  EXPECT_TRUE(fits(VariableKind::segment, "11111111-2222-3333-4444-555555555555"));
  for (const char* value : {"", ".", "..", "a/b", "a b", "a?b", "a#b", "%2e"}) {
    EXPECT_FALSE(fits(VariableKind::segment, value)) << value;
  }
  EXPECT_TRUE(fits(VariableKind::url, "https://cloud.example.org/sub"));
  for (const char* value : {"http://cloud.example.org", "https://u@cloud.example.org", "https://a.example/?x", "https://a.example/#x",
                            "cloud.example.org"}) {
    EXPECT_FALSE(fits(VariableKind::url, value)) << value;
  }
  EXPECT_TRUE(check_variable("v", VariableKind::url, "http://127.0.0.1:9000", PlainHttp::loopback_only));
  EXPECT_NE(check_variable("Issuer", VariableKind::url, "http://127.0.0.1:9000").error().text.find("outbound.allow"), std::string::npos);
  EXPECT_FALSE(fits(VariableKind::text, "a\nb"));
}

TEST(Uri, AppendsToAQuery) {
  EXPECT_EQ(with_query("https://a.example/x", {{"a", "1"}, {"b", "& "}}), "https://a.example/x?a=1&b=%26%20");
  EXPECT_EQ(with_query("https://a.example/x?y=2", {{"a", "1"}}), "https://a.example/x?y=2&a=1");
}

}  // namespace
}  // namespace latchkey::oauth
