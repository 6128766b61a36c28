#include "wire/webdav/seen_resources.h"

#include <expat.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>

namespace latchkey::wire::webdav {
namespace {

constexpr std::string_view kDav = "DAV:";
constexpr char kSeparator = '\n';  // between namespace and name; stands in neither
constexpr std::size_t kTextBytesMax = 4096;
constexpr int kDepthMax = 32;

struct Name {
  std::string_view space;
  std::string_view local;
};

Name split(std::string_view name) {
  const auto at = name.find(kSeparator);
  return at == std::string_view::npos ? Name{{}, name} : Name{name.substr(0, at), name.substr(at + 1)};
}

// "HTTP/1.1 200 OK"; 0: none that makes sense.
int status_of(std::string_view line) {
  const auto at = line.find(' ');
  if (!line.starts_with("HTTP/") || at == std::string_view::npos) return 0;
  int status = 0;
  const auto digits = line.substr(at + 1, 3);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), status);
  return error == std::errc() && end == digits.data() + 3 ? status : 0;
}

// Where the reading stands. The depths are those of multistatus/response/propstat/prop/PROPERTY.
class Reading {
 public:
  void begin(std::string_view raw) {
    depth_ += 1;
    if (depth_ > kDepthMax) failed_ = true;
    const auto name = split(raw);
    const bool dav = name.space == kDav;
    text_.clear();
    if (depth_ == 1) {
      failed_ = failed_ || !dav || name.local != "multistatus";
    } else if (depth_ == 2 && dav && name.local == "response") {
      resource_.emplace();
    } else if (depth_ == 3 && resource_ && dav && name.local == "propstat") {
      group_.clear();
      group_status_ = 0;
      in_propstat_ = true;
    } else if (depth_ == 4 && in_propstat_ && dav && name.local == "prop") {
      in_prop_ = true;
    } else if (depth_ == 5 && in_prop_) {
      property_.emplace(
          SeenProperty{.space = std::string(name.space), .name = std::string(name.local), .text = {}, .elements = {}});
    } else if (depth_ > 5 && property_ && property_->elements.size() < 20) {
      property_->elements.emplace_back(name.local);
    }
  }

  void text(std::string_view octets) {
    auto& into = property_ ? property_->text : text_;
    into.append(octets.substr(0, kTextBytesMax - std::min(kTextBytesMax, into.size())));
  }

  void end(std::string_view raw) {
    const auto name = split(raw);
    if (depth_ == 5 && property_) {
      group_.push_back(std::move(*property_));
      property_.reset();
    } else if (depth_ == 4 && in_prop_ && name.local == "prop") {
      in_prop_ = false;
    } else if (depth_ == 4 && in_propstat_ && name.local == "status") {
      group_status_ = status_of(text_);
    } else if (depth_ == 3 && resource_) {
      end_of_response_part(name.local);
    } else if (depth_ == 2 && resource_) {
      if (found_.size() >= kSeenResourcesMax) failed_ = true;
      found_.push_back(std::move(*resource_));
      resource_.reset();
    }
    depth_ -= 1;
  }

  void refuse() { failed_ = true; }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::vector<SeenResource> found() { return std::move(found_); }

 private:
  void end_of_response_part(std::string_view name) {
    if (in_propstat_) {
      in_propstat_ = false;
      if (group_status_ >= 200 && group_status_ < 300) std::ranges::move(group_, std::back_inserter(resource_->properties));
    } else if (name == "href" && resource_->href.empty()) {
      resource_->href = text_;
    } else if (name == "status") {
      resource_->status = status_of(text_);
    }
  }

  int depth_ = 0;
  bool failed_ = false;
  bool in_propstat_ = false;
  bool in_prop_ = false;
  int group_status_ = 0;
  std::string text_;
  std::optional<SeenResource> resource_;
  std::vector<SeenProperty> group_;
  std::optional<SeenProperty> property_;
  std::vector<SeenResource> found_;
};

Reading& reading_of(void* data) { return *static_cast<Reading*>(data); }

void on_begin(void* data, const XML_Char* name, const XML_Char**) { reading_of(data).begin(name); }
void on_end(void* data, const XML_Char* name) { reading_of(data).end(name); }
void on_text(void* data, const XML_Char* text, int size) { reading_of(data).text({text, static_cast<std::size_t>(size)}); }
// Document types bring entities, which nobody needs here.
void on_doctype(void* data, const XML_Char*, const XML_Char*, const XML_Char*, int) { reading_of(data).refuse(); }

}  // namespace

std::string_view SeenResource::text_of(std::string_view space, std::string_view name) const {
  const auto found =
      std::ranges::find_if(properties, [&](const auto& one) { return one.space == space && one.name == name; });
  return found == properties.end() ? std::string_view() : std::string_view(found->text);
}

bool SeenResource::is_collection() const {
  return std::ranges::any_of(properties, [](const auto& one) {
    return one.space == kDav && one.name == "resourcetype" &&
           std::ranges::find(one.elements, "collection") != one.elements.end();
  });
}

Result<std::vector<SeenResource>> parse_multistatus(ByteView body) {
  const std::unique_ptr<std::remove_pointer_t<XML_Parser>, decltype(&XML_ParserFree)> parser(
      XML_ParserCreateNS(nullptr, kSeparator), &XML_ParserFree);
  LATCHKEY_CHECK(parser != nullptr);
  Reading reading;
  XML_SetUserData(parser.get(), &reading);
  XML_SetElementHandler(parser.get(), on_begin, on_end);
  XML_SetCharacterDataHandler(parser.get(), on_text);
  XML_SetStartDoctypeDeclHandler(parser.get(), on_doctype);
  const auto text = base::as_text(body);
  const bool whole = XML_Parse(parser.get(), text.data(), static_cast<int>(text.size()), XML_TRUE) == XML_STATUS_OK;
  if (!whole || reading.failed()) return fail(ErrorKind::invalid, "bad_xml", "This is no multistatus (RFC 4918).");
  return reading.found();
}

}  // namespace latchkey::wire::webdav
