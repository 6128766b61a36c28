// The servers that this one calls for its apps: by origin, each once.
#pragma once

#include <string>
#include <vector>

#include "doctor/survey.h"

namespace latchkey::doctor {

struct OriginInUse {
  std::string origin;                 // "https://login.example"
  std::string url;                    // of the first endpoint there
  std::vector<std::string> for_what;  // "the token endpoint of Box"
};

// Only what is known without asking anybody: where metadata names the endpoints, the metadata's own address stands for them.
[[nodiscard]] std::vector<OriginInUse> origins_in_use(const Survey& survey);

}  // namespace latchkey::doctor
