// Where a delivery to a WebDAV server stands, in the words that Progress::note keeps.
#pragma once

#include <cstdint>
#include <string>

namespace latchkey::connectors {

struct DavResumePoint {
  enum class Step : std::uint8_t {
    nothing,   // from the start
    chunks,    // so many chunks have arrived
    uploaded,  // the whole document lies under its temporary name
    placing,   // it may have been given its name, `path`
  };
  Step step = Step::nothing;
  std::uint64_t chunks = 0;
  std::string path{};
  bool marked = false;  // uploaded, placing: the server keeps our mark with the document
  std::string
      before{};  // chunks: the entity tag of what lay where they will be put together; empty: nothing, or it has none

  // What makes no sense is `nothing`: an upload begun anew harms nobody.
  [[nodiscard]] static DavResumePoint parse(const std::string& text);
  [[nodiscard]] std::string text() const;
  friend bool operator==(const DavResumePoint&, const DavResumePoint&) = default;
};

}  // namespace latchkey::connectors
