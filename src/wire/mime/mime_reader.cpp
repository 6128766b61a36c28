#include "wire/mime/mime_reader.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "wire/mime/encoded_text.h"
#include "wire/mime/header_fields.h"
#include "wire/mime/media_type.h"
#include "wire/mime/transfer_decoder.h"

namespace latchkey::wire {
namespace {

constexpr std::size_t kBoundaryBytesMax = 200;                               // RFC 2046 says 70; devices use more
constexpr std::size_t kDelimiterBytesMax = 2 + kBoundaryBytesMax + 2 + 300;  // with the padding that transport may add

std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  while (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string small(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

std::string value_of(const std::vector<HeaderField>& fields, std::string_view name) {
  const auto* field = find_field(fields, name);
  return field == nullptr ? std::string() : field->value;
}

// What cannot be read is text, unless it says that it is something else (RFC 2045 section 5.2, RFC 2046 section 4).
std::string type_of(std::string_view value) {
  if (is_media_type(value)) return std::string(value);
  const auto slash = value.find('/');
  const bool is_text = slash == std::string_view::npos || slash == 0 || value.starts_with("text/") || value.starts_with("multipart/");
  return is_text ? "text/plain" : std::string(kUnknownMediaType);
}

PartHead head_of(const std::vector<HeaderField>& fields, const ParameterisedValue& type, Charsets& charsets) {
  const auto disposition = parse_parameterised(value_of(fields, "Content-Disposition"), charsets);
  PartHead head;
  head.type = type_of(type.value);
  head.charset = small(type.parameter("charset"));
  if (disposition.value == "attachment") head.disposition = Disposition::attachment;
  if (disposition.value == "inline") head.disposition = Disposition::inline_;
  head.file_name = disposition.parameter("filename");
  if (head.file_name.empty()) head.file_name = type.parameter("name");
  auto id = value_of(fields, "Content-ID");
  if (id.starts_with('<') && id.ends_with('>')) id = id.substr(1, id.size() - 2);
  head.content_id = std::move(id);
  return head;
}

}  // namespace

bool PartHead::is_document() const {
  return !file_name.empty() || disposition == Disposition::attachment || !type.starts_with("text/");
}

// Invariants: `rest()` begins at the octet that is looked at next; a line end is held back until the line behind it is known
// to be no delimiter, whose line end it would be (RFC 2046 section 5.1.1).
class MimeReader::Works {
 public:
  explicit Works(MimeLimits limits) : limits_(limits) {}

  Result<std::vector<MimeEvent>> feed(std::string_view octets) {
    buffer_ += octets;
    auto done = read();
    if (!done) return std::unexpected(done.error());
    buffer_.erase(0, at_);
    at_ = 0;
    tell_octets();
    return std::exchange(events_, {});
  }

  Result<std::vector<MimeEvent>> finish() {
    ending_ = true;
    if (auto done = read(); !done) return std::unexpected(done.error());
    // A delimiter behind which nothing comes is a closing one that lacks its hyphens.
    const bool is_empty_part = in_header_ && header_.fields().empty() && !boundaries_.empty();
    if (in_header_ && !is_empty_part) {
      if (auto done = end_header(); !done) return std::unexpected(done.error());
    }
    pass(std::exchange(held_, {}));
    end_part(boundaries_.empty() ? PartEnding::whole : PartEnding::cut_off);
    return std::exchange(events_, {});
  }

 private:
  // A line that parts, and which of the open multiparts it belongs to.
  struct Delimiter {
    std::size_t level = 0;
    bool closes = false;
  };

  unsigned alternative() const { return alternatives_.empty() ? 0 : alternatives_.back(); }
  std::string_view rest() const { return std::string_view(buffer_).substr(at_); }

  // Reads on until more octets are needed.
  Result<void> read() {
    while (at_ < buffer_.size()) {
      bool goes_on = true;
      if (in_header_) {
        auto read = read_header_line();
        if (!read) return std::unexpected(read.error());
        goes_on = *read;
      } else if (at_line_start_) {
        auto read = look_for_delimiter();
        if (!read) return std::unexpected(read.error());
        goes_on = *read;
      } else {
        goes_on = read_body_line();
      }
      if (!goes_on) return {};
    }
    return {};
  }

  Result<bool> read_header_line() {
    const auto end = rest().find('\n', searched_);
    searched_ = 0;
    if (end == std::string_view::npos && !ending_) {
      searched_ = rest().size();
      if (header_bytes_ + rest().size() > limits_.header_bytes_max) return header_too_long();
      return false;
    }
    const auto length = end == std::string_view::npos ? rest().size() : end + 1;
    const auto line = without_line_end(rest().substr(0, length));
    header_bytes_ += length;
    if (header_bytes_ > limits_.header_bytes_max) return header_too_long();
    if (const auto delimiter = delimiter_in(line)) {
      at_ += length;
      return and_goes_on(part_at(*delimiter));
    }
    switch (header_.add(line)) {
      case HeaderGatherer::Verdict::taken:
        at_ += length;
        return true;
      case HeaderGatherer::Verdict::blank:
        at_ += length;
        return and_goes_on(end_header());
      case HeaderGatherer::Verdict::no_field:
        return and_goes_on(end_header());
    }
    return true;
  }

  Result<bool> look_for_delimiter() {
    const auto line_end = rest().find('\n');
    const bool may_be = !boundaries_.empty() && rest().substr(0, 2) == std::string_view("--").substr(0, rest().size());
    if (may_be && line_end == std::string_view::npos && !ending_ && rest().size() < kDelimiterBytesMax) return false;
    if (may_be && std::min(line_end, rest().size()) <= kDelimiterBytesMax) {
      const auto length = line_end == std::string_view::npos ? rest().size() : line_end + 1;
      if (const auto delimiter = delimiter_in(without_line_end(rest().substr(0, length)))) {
        at_ += length;
        held_.clear();
        return and_goes_on(part_at(*delimiter));
      }
    }
    pass(std::exchange(held_, {}));
    at_line_start_ = false;
    return true;
  }

  bool read_body_line() {
    const auto end = rest().find('\n');
    if (end == std::string_view::npos) {
      auto text = rest();
      if (!ending_ && text.ends_with('\r')) text.remove_suffix(1);  // it may belong to a line end
      pass(text);
      at_ += text.size();
      return !text.empty();
    }
    const bool with_cr = end > 0 && rest()[end - 1] == '\r';
    pass(rest().substr(0, with_cr ? end - 1 : end));
    held_ = with_cr ? "\r\n" : "\n";
    at_ += end + 1;
    at_line_start_ = true;
    return true;
  }

  std::optional<Delimiter> delimiter_in(std::string_view line) const {
    if (!line.starts_with("--")) return std::nullopt;
    line.remove_prefix(2);
    for (std::size_t level = boundaries_.size(); level-- > 0;) {
      if (!line.starts_with(boundaries_[level])) continue;
      auto behind = line.substr(boundaries_[level].size());
      const bool closes = behind.starts_with("--");
      if (closes) behind.remove_prefix(2);
      if (behind.find_first_not_of(" \t") == std::string_view::npos) return Delimiter{.level = level, .closes = closes};
    }
    return std::nullopt;
  }

  Result<void> part_at(Delimiter delimiter) {
    if (in_header_ && !header_.fields().empty()) {
      if (auto done = end_header(); !done) return done;
    }
    end_part(PartEnding::whole);
    boundaries_.resize(delimiter.level + (delimiter.closes ? 0 : 1));
    alternatives_.resize(boundaries_.size());
    in_header_ = !delimiter.closes;
    at_line_start_ = true;
    if (delimiter.closes) return {};
    if (++parts_ > limits_.parts_max) return fail(ErrorKind::refused, "mail_too_many_parts", "The mail has too many parts.");
    header_ = {};
    header_bytes_ = 0;
    return {};
  }

  Result<void> end_header() {
    in_header_ = false;
    at_line_start_ = true;
    const auto fields = header_.take();
    header_ = {};
    const auto type = parse_parameterised(value_of(fields, "Content-Type"), charsets_);
    auto boundary = std::string(type.parameter("boundary"));
    while (boundary.ends_with(' ')) boundary.pop_back();
    if (type.value.starts_with("multipart/") && !boundary.empty() && boundary.size() <= kBoundaryBytesMax) {
      boundaries_.push_back(std::move(boundary));
      const auto outer = alternative();
      alternatives_.push_back(outer == 0 && type.value == "multipart/alternative" ? ++alternatives_seen_ : outer);
      if (boundaries_.size() <= limits_.depth_max) return {};
      return fail(ErrorKind::refused, "mail_too_deep",
                  "The mail has parts in parts in parts, deeper than any reader looks.");
    }
    auto head = head_of(fields, type, charsets_);
    if (head.type.starts_with("multipart/")) head.type = "text/plain";  // without a boundary it cannot be parted
    head.depth = static_cast<unsigned>(boundaries_.size());
    head.alternative = alternative();
    const auto encoding = transfer_encoding_of(value_of(fields, "Content-Transfer-Encoding"));
    head.encoding_known = encoding != TransferEncoding::unknown;
    decoder_ = TransferDecoder(encoding);
    in_part_ = true;
    events_.emplace_back(PartBegins{std::move(head)});
    return {};
  }

  void end_part(PartEnding ending) {
    if (!in_part_) return;
    in_part_ = false;
    const bool sound = decoder_.finish(octets_);
    tell_octets();
    events_.emplace_back(PartEnds{!sound && ending == PartEnding::whole ? PartEnding::damaged : ending});
  }

  void pass(std::string_view text) {
    if (in_part_) decoder_.feed(text, octets_);
  }
  void tell_octets() {
    if (!octets_.empty()) events_.emplace_back(PartOctets{std::exchange(octets_, {})});
  }

  static Result<bool> and_goes_on(const Result<void>& done) {
    if (!done) return std::unexpected(done.error());
    return true;
  }
  std::unexpected<Error> header_too_long() const {
    return fail(ErrorKind::refused, "mail_header_too_long",
                "A header of the mail is longer than " + std::to_string(limits_.header_bytes_max) + " bytes.");
  }

  MimeLimits limits_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::size_t searched_ = 0;  // so much of a header line that has not ended was seen before
  std::vector<MimeEvent> events_;
  Bytes octets_;  // decoded, not told yet
  std::vector<std::string> boundaries_;
  std::vector<unsigned> alternatives_;  // of each open multipart: PartHead::alternative
  unsigned alternatives_seen_ = 0;
  Charsets charsets_;
  HeaderGatherer header_;
  std::size_t header_bytes_ = 0;
  std::size_t parts_ = 0;
  TransferDecoder decoder_;
  std::string held_;
  bool in_header_ = true;
  bool in_part_ = false;
  bool at_line_start_ = true;
  bool ending_ = false;
};

MimeReader::MimeReader(MimeLimits limits) : works_(std::make_unique<Works>(limits)) {}
MimeReader::~MimeReader() = default;

Result<std::vector<MimeEvent>> MimeReader::feed(std::string_view octets) { return works_->feed(octets); }
Result<std::vector<MimeEvent>> MimeReader::finish() { return works_->finish(); }

}  // namespace latchkey::wire
