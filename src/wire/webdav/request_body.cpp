#include "wire/webdav/request_body.h"

#include <expat.h>

#include <algorithm>
#include <memory>
#include <optional>

namespace latchkey::wire::webdav {
namespace {

constexpr std::size_t kDepthMax = 32;
constexpr std::size_t kNameBytesMax = 512;
constexpr char kSeparator = '\n';  // expat refuses namespaces that hold it
constexpr std::string_view kDav = "DAV:";

std::unexpected<Error> bad_xml(std::string detail) {
  return fail(ErrorKind::invalid, "bad_xml", "The body is no XML that this method takes (RFC 4918).",
              {.detail = std::move(detail)});
}

PropertyName name_of(const XML_Char* joined) {
  const std::string_view text(joined);
  const auto at = text.rfind(kSeparator);
  if (at == std::string_view::npos) return {.space = {}, .name = std::string(text)};
  return {.space = std::string(text.substr(0, at)), .name = std::string(text.substr(at + 1))};
}

// The elements of a body as they open and close; `seen` hears of each with the path of those around it.
class Reading {
 public:
  using Seen = void (*)(Reading& reading, const PropertyName& name);
  explicit Reading(Seen seen) : seen_(seen), parser_(XML_ParserCreateNS(nullptr, kSeparator), &XML_ParserFree) {}

  Result<void> read(std::string_view body) {
    if (body.size() > kBodyBytesMax) return bad_xml("too large");
    if (!parser_) return bad_xml("no memory");
    XML_SetUserData(parser_.get(), this);
    XML_SetElementHandler(parser_.get(), &opened, &closed);
    XML_SetStartDoctypeDeclHandler(parser_.get(), &doctype);
    XML_SetParamEntityParsing(parser_.get(), XML_PARAM_ENTITY_PARSING_NEVER);
    const auto status = XML_Parse(parser_.get(), body.data(), static_cast<int>(body.size()), XML_TRUE);
    if (refusal_) return bad_xml(*refusal_);
    if (status != XML_STATUS_OK) return bad_xml(XML_ErrorString(XML_GetErrorCode(parser_.get())));
    return {};
  }

  // Whether the open elements are these, outermost first, all of DAV:.
  [[nodiscard]] bool is_in(std::initializer_list<std::string_view> path) const {
    return std::ranges::equal(
        open_, path, [](const PropertyName& one, std::string_view name) { return one.space == kDav && one.name == name; });
  }
  [[nodiscard]] bool is_outermost() const { return open_.empty(); }
  void refuse(std::string why) {
    if (!refusal_) refusal_ = std::move(why);
    XML_StopParser(parser_.get(), XML_FALSE);
  }
  void add_property(const PropertyName& name) {
    if (properties.size() >= kPropertiesMax) return refuse("too many properties");
    if (std::ranges::find(properties, name) == properties.end()) properties.push_back(name);
  }

  std::vector<PropertyName> properties;
  std::optional<PropfindQuestion::Kind> kind;

 private:
  static void opened(void* self, const XML_Char* joined, const XML_Char**) {
    auto& reading = *static_cast<Reading*>(self);
    if (reading.refusal_) return;
    auto name = name_of(joined);
    if (name.space.size() + name.name.size() > kNameBytesMax) return reading.refuse("a name is too long");
    if (reading.open_.size() >= kDepthMax) return reading.refuse("too deep");
    reading.seen_(reading, name);
    reading.open_.push_back(std::move(name));
  }
  static void closed(void* self, const XML_Char*) {
    auto& reading = *static_cast<Reading*>(self);
    if (!reading.refusal_) reading.open_.pop_back();
  }
  static void doctype(void* self, const XML_Char*, const XML_Char*, const XML_Char*, int) {
    static_cast<Reading*>(self)->refuse("a document type");
  }

  Seen seen_;
  std::unique_ptr<XML_ParserStruct, decltype(&XML_ParserFree)> parser_;
  std::vector<PropertyName> open_;
  std::optional<std::string> refusal_;
};

void in_propfind(Reading& reading, const PropertyName& name) {
  using enum PropfindQuestion::Kind;
  if (reading.is_outermost() && name != PropertyName{std::string(kDav), "propfind"})
    return reading.refuse("another document");
  if (reading.is_in({"propfind", "prop"}) || reading.is_in({"propfind", "include"})) return reading.add_property(name);
  if (!reading.is_in({"propfind"}) || name.space != kDav) return;
  const auto kind = name.name == "allprop"    ? std::optional(all)
                    : name.name == "propname" ? std::optional(names)
                    : name.name == "prop"     ? std::optional(some)
                                              : std::nullopt;
  if (kind && reading.kind) return reading.refuse("several questions");
  if (kind) reading.kind = kind;
}

void in_proppatch(Reading& reading, const PropertyName& name) {
  if (reading.is_outermost() && name != PropertyName{std::string(kDav), "propertyupdate"})
    return reading.refuse("another document");
  if (reading.is_in({"propertyupdate", "set", "prop"}) || reading.is_in({"propertyupdate", "remove", "prop"}))
    reading.add_property(name);
}

}  // namespace

Result<PropfindQuestion> parse_propfind(std::string_view body) {
  if (body.empty()) return PropfindQuestion{};
  Reading reading(&in_propfind);
  if (const auto done = reading.read(body); !done) return std::unexpected(done.error());
  if (!reading.kind) return bad_xml("no question");
  return PropfindQuestion{.kind = *reading.kind, .properties = std::move(reading.properties)};
}

Result<std::vector<PropertyName>> parse_proppatch(std::string_view body) {
  Reading reading(&in_proppatch);
  if (const auto done = reading.read(body); !done) return std::unexpected(done.error());
  if (reading.properties.empty()) return bad_xml("no property");
  return std::move(reading.properties);
}

}  // namespace latchkey::wire::webdav
